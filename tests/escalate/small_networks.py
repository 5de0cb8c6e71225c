"""Hand-built FloatNetworks for tests: every operator, every kind of convolution, random weights."""

import numpy as np

from escalate.capture.network import FloatNetwork
from escalate.train.images import ImageSettings
from workloads.graph import Graph, Node
from workloads.layer import ConvLayer

SETTINGS = ImageSettings(1 / 255, (0.4, 0.5, 0.6), (0.25, 0.25, 0.25), (9, 9))
TINY_SETTINGS = ImageSettings(1 / 255, (0.0,), (1.0,), (6, 6))


def conv(name, source, layer, **fields):
    return Node(name, "conv", (source,), (layer.K, layer.P, layer.Q), layer=layer, **fields)


def every_operator() -> Graph:
    pool = {"kernel": [3, 3], "stride": [2, 2], "padding": [1, 1, 1, 1]}
    mean = {"kernel": [2, 2], "stride": [2, 2], "padding": [0, 0, 0, 0]}
    rows = {"axis": 2, "start": 0, "stop": 5, "step": 3}
    columns = {"axis": 3, "start": 1, "stop": 5, "step": 3}
    nodes = (
        Node("input", "input", (), (3, 9, 9)),
        conv("c1", "input", ConvLayer("c1", 3, 8, 9, 9, 3, 3, padding=(1, 1, 1, 1)), relu=True),
        Node("pool", "max_pool", ("c1",), (8, 5, 5), attributes=pool),
        conv(
            "c2",
            "pool",
            ConvLayer("c2", 8, 8, 5, 5, 3, 3, padding=(2, 2, 2, 2), dilation=2, groups=2),
        ),
        Node("clip", "relu", ("c2",), (8, 5, 5), relu=True, maximum=1.0),
        Node("sum", "add", ("c2", "pool"), (8, 5, 5)),
        conv("c3", "sum", ConvLayer("c3", 8, 8, 5, 5), relu=True, maximum=1.5),
        Node("both", "concat", ("clip", "c3"), (16, 5, 5)),
        conv(
            "dw",
            "both",
            ConvLayer("dw", 16, 16, 5, 5, 3, 3, stride=2, padding=(0, 1, 1, 0), groups=16),
        ),
        Node("rows", "slice", ("both",), (16, 2, 5), attributes=rows),
        Node("columns", "slice", ("rows",), (16, 2, 2), attributes=columns),
        Node("join", "add", ("dw", "columns"), (16, 2, 2), relu=True),
        Node("wider", "pad", ("join",), (18, 2, 2), attributes={"padding": [0, 2, 0, 0, 0, 0]}),
        Node("mean", "avg_pool", ("wider",), (18, 1, 1), attributes=mean),
        Node("flat", "flatten", ("mean",), (18, 1, 1)),
        conv("fc", "flat", ConvLayer("fc", 18, 5, 1, 1)),
    )
    return Graph("every", nodes)


def tiny() -> Graph:
    nodes = (
        Node("input", "input", (), (1, 6, 6)),
        conv("first", "input", ConvLayer("first", 1, 6, 6, 6, 3, 3), relu=True),
        conv("middle", "first", ConvLayer("middle", 6, 8, 4, 4, 3, 3, stride=2), relu=True),
        conv("last", "middle", ConvLayer("last", 8, 3, 1, 1)),
    )
    return Graph("tiny", nodes)


def with_random_weights(graph: Graph, seed: int = 0) -> FloatNetwork:
    random = np.random.default_rng(seed)
    weights, biases = {}, {}
    for node in graph.convs:
        shape = node.layer.weight_shape
        size = np.sqrt(2 / np.prod(shape[1:]))
        weights[node.name] = (size * random.normal(size=shape)).astype(np.float32)
        biases[node.name] = (0.1 * random.normal(size=shape[0])).astype(np.float32)
    count = sum(array.size for table in (weights, biases) for array in table.values())
    constants = {
        node.name: tuple(
            random.normal(size=node.shape[0]).astype(np.float32)
            for _ in range(node.operator.constants(node))
        )
        for node in graph.nodes
        if node.operator.constants(node)
    }
    return FloatNetwork(graph, weights, biases, count, constants=constants)


def random_pixels(graph: Graph, count: int, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, *graph.nodes[0].shape)).astype(np.uint8)


def bright_corner(count: int, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """A task that ``tiny`` can learn: which of three corners of a noisy 6x6 image is bright."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    pixels = random.integers(0, 120, (count, 1, 6, 6))
    for image, label in zip(pixels, labels, strict=True):
        row, column = ((0, 0), (0, 4), (4, 0))[label]
        image[0, row : row + 2, column : column + 2] += 130
    return pixels.astype(np.uint8), labels
