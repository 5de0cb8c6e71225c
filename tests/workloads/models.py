"""Small integer models for tests: one that holds every operator, and random ones."""

from typing import NamedTuple

import numpy as np

from workloads.graph import Graph, Node
from workloads.integer import ConvIntegers, ImageQuantizer, IntegerModel, Rescale
from workloads.layer import ConvLayer
from workloads.requantize import Requantizer
from workloads.weights import LayerWeights

RANGES = ((0, 255), (-127, 127), (-128, 127), (0, 93), (-20, 100))


class Steps(NamedTuple):
    """How a tensor's integers stand for values."""

    scale: float
    low: int
    high: int


def conv(name, source, shape, k, **bounds):
    """A convolution node that reads ``source`` of the given (C, H, W)."""
    c, h, w = shape
    layer = ConvLayer(name, C=c, K=k, H=h, W=w, **bounds)
    return Node(name, "conv", (source,), (k, layer.P, layer.Q), layer)


def pool(name, op, source, shape, kernel, stride, padding=(0, 0, 0, 0)):
    """A pooling node; windows that do not fit are dropped."""
    c, h, w = shape
    p = (h + padding[0] + padding[1] - kernel[0]) // stride[0] + 1
    q = (w + padding[2] + padding[3] - kernel[1]) // stride[1] + 1
    attributes = {"kernel": list(kernel), "stride": list(stride), "padding": list(padding)}
    return Node(name, op, (source,), (c, p, q), attributes=attributes)


def strided(name, source, shape, axis, start, stop, step):
    """A slice node."""
    sizes = list(shape)
    sizes[axis - 1] = len(range(start, stop, step))
    attributes = {"axis": axis, "start": start, "stop": stop, "step": step}
    return Node(name, "slice", (source,), tuple(sizes), attributes=attributes)


def padded(name, source, shape, padding):
    """A zero pad node."""
    sizes = tuple(shape[i] + padding[2 * i] + padding[2 * i + 1] for i in range(3))
    return Node(name, "pad", (source,), sizes, attributes={"padding": list(padding)})


def every_operator() -> Graph:
    """One network with every operator and every kind of convolution."""
    nodes = [
        Node("input", "input", (), (3, 9, 11)),
        conv("first", "input", (3, 9, 11), 4, R=3, S=3, padding=(1, 0, 0, 1)),
        strided("rows", "first", (4, 8, 10), 2, 0, 8, 2),
        strided("columns", "rows", (4, 4, 10), 3, 0, 10, 2),
        padded("widen", "columns", (4, 4, 5), (2, 2, 0, 0, 0, 0)),
        conv("strided", "first", (4, 8, 10), 8, R=3, S=3, stride=2, padding=(1, 1, 1, 1)),
        Node("add", "add", ("strided", "widen"), (8, 4, 5), relu=True),
        conv(
            "depthwise", "add", (8, 4, 5), 8, R=3, S=3, padding=(2, 2, 2, 2), dilation=2, groups=8
        ),
        conv("grouped", "add", (8, 4, 5), 6, R=1, S=3, padding=(0, 0, 1, 1), groups=2),
        Node("concat", "concat", ("depthwise", "grouped", "add"), (22, 4, 5)),
        Node("relu", "relu", ("concat",), (22, 4, 5), relu=True),
        conv("point", "relu", (22, 4, 5), 7),
        pool("max", "max_pool", "point", (7, 4, 5), (3, 2), (2, 1), (1, 1, 1, 0)),
        pool("mean", "avg_pool", "max", (7, 2, 5), (2, 3), (1, 2), (0, 1, 1, 0)),
        Node("flatten", "flatten", ("mean",), (28, 1, 1)),
        conv("linear", "flatten", (28, 1, 1), 5),
    ]
    return Graph("every", tuple(nodes))


def random_graph(rng: np.random.Generator, operators: int = 8) -> Graph:
    """A random network: each node reads earlier tensors, mostly the latest."""
    from tests.operators import DRAWN, case  # which draw with the functions above

    nodes = [Node("input", "input", (), tuple(int(v) for v in rng.integers(2, 9, 3)))]
    for index in range(operators):
        source = nodes[-1] if rng.random() < 0.7 else nodes[rng.integers(len(nodes))]
        op = rng.choice(["conv", *DRAWN])  # convolutions twice as often
        nodes.extend(case(op).draw(rng, f"n{index}", source, nodes))
    nodes.extend(case("conv").draw(rng, "last", nodes[-1], nodes))
    return Graph("random", tuple(nodes))


def random_integers(rng: np.random.Generator, graph: Graph) -> IntegerModel:
    """Random weights in all three forms, requantizers, rescales and bounds for a graph."""
    convs, rescales, bounds, arrays = {}, {}, {}, {}
    for node in graph.nodes:
        low, high = RANGES[rng.integers(len(RANGES))]
        stores = node.operator.stores
        if node.layer is not None:
            weights = _random_weights(rng, node.layer)
            rule = Requantizer(
                rng.integers(-(2**15), 2**15, node.layer.K).astype(np.int32),
                rng.integers(-5000, 5000, node.layer.K).astype(np.int32),
                int(rng.integers(20, 26)), low, high,
            )  # fmt: skip
            convs[node.name] = ConvIntegers(weights, rule)
        if "rescales" in stores:
            rescales[node.name] = tuple(
                Rescale(int(rng.integers(2**12, 2**15)), int(rng.integers(13, 16)))
                for _ in node.operator.ratios(node, (1.0,) * len(node.inputs), 1.0)
            )
        if "bounds" in stores:
            bounds[node.name] = (0 if node.operator.rectifies(node) else low, high)
        if "arrays" in stores:
            constants = rng.normal(size=(node.operator.constants(node), node.shape[0]))
            before = [Steps(float(rng.uniform(0.01, 0.1)), -127, 127) for _ in node.inputs]
            after = Steps(float(rng.uniform(0.01, 0.1)), *bounds[node.name])
            arrays[node.name] = node.operator.lowered(
                node, constants.astype(np.float32), before, after
            )
    c, h, w = graph.nodes[0].shape
    signed = bool(rng.integers(2))
    image = ImageQuantizer(
        1 / 255, tuple(rng.random(c).tolist()), tuple((rng.random(c) + 0.2).tolist()), 0.02,
        -127 if signed else 0, 127 if signed else 255, (h, w),
    )  # fmt: skip
    return IntegerModel(graph, convs, rescales, bounds, image, 0.125, {"seed": 1}, arrays)


def _random_weights(rng, layer):
    kind = rng.choice(["weights", "basis"])
    if kind == "weights":
        return LayerWeights(weights=rng.integers(-127, 128, layer.weight_shape).astype(np.int8))
    m = int(rng.integers(1, layer.R * layer.S + 1))
    shape = (layer.K, layer.channels_per_group, m)
    coefficients = rng.integers(-1, 2, shape).astype(np.int8)
    if layer.R * layer.S == 1 and rng.random() < 0.7:
        return LayerWeights(coefficients=coefficients)
    basis = rng.integers(-127, 128, (m, layer.R, layer.S)).astype(np.int8)
    return LayerWeights(basis=basis, coefficients=coefficients)
