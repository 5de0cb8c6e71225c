"""Does every operator mean the same everywhere: NumPy, torch, floats, files, exported networks?

A new operator takes part as soon as its file exists; ``tests/operators`` must then have its case.
"""

import ast
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from escalate.capture import operators as spellings
from escalate.capture.export import capture
from escalate.integers import integer
from escalate.integers.lower import lower
from escalate.integers.removal import remove_idle
from escalate.train.activation_range import limits
from escalate.train.calibrate import calibrate
from escalate.train.convolutions import Int8Convolution
from escalate.train.images import ImageSettings, image_tensor
from escalate.train.modules import GraphModule, constant_tensors, float_module
from tests.escalate.capture.onnx_builder import Builder, assert_same
from tests.escalate.integers.test_removal import thinned
from tests.escalate.small_networks import random_pixels, with_random_weights
from tests.operators import DRAWN, case
from tests.workloads.models import conv, random_integers
from workloads.check_node import check_node
from workloads.convolve import convolve
from workloads.errors import WorkloadError
from workloads.execute import execute, quantize_images
from workloads.graph import Graph, Node
from workloads.operators import NAMES, operator

SEEDS = range(8)
TOLERANCE = 1e-4  # float32 rounding
SHARE_OF_STEPS = 0.02  # how often float32 and the integers may round to different sides


def a_graph(name, seed):
    """A network of a few convolutions, the operator twice, and a last convolution."""
    random = np.random.default_rng([seed, *name.encode()])
    shape = tuple(int(v) for v in random.integers(3, 8, 3))
    nodes = [Node("input", "input", (), shape)]
    nodes.append(dataclasses.replace(conv("a", "input", shape, 4), relu=bool(seed % 2)))
    nodes.append(conv("b", "a", nodes[-1].shape, 4))
    for index in range(2):
        source = nodes[-1] if seed % 3 else nodes[1]
        *before, node = case(name).draw(random, f"made{index}", source, list(nodes))
        fusible = node.operator.clamps and not node.operator.rectifies(node)
        if fusible and random.random() < 0.5:
            node = dataclasses.replace(node, relu=True, maximum=random.choice([None, 0.5]))
        nodes += [*before, node]
    nodes.append(conv("last", nodes[-1].name, nodes[-1].shape, 3))
    return Graph(name, tuple(nodes))


def same_integers(model, inputs):
    """The outputs in NumPy, which must be those in torch."""
    ours = execute(model, inputs, convolve)
    theirs = integer.run(model, inputs)
    assert list(ours) == list(theirs)
    for node in model.graph.nodes:
        found, other = ours[node.name], theirs[node.name].numpy()
        assert found.dtype == other.dtype, node.name
        np.testing.assert_array_equal(found, other, err_msg=node.name)
        assert found.shape[1:] == node.shape
    return ours


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", DRAWN)
def test_numpy_and_torch_compute_the_same_integers(name, seed):
    random = np.random.default_rng(seed)
    model = random_integers(random, a_graph(name, seed))
    pixels = random_pixels(model.graph, 2, seed)
    outputs = same_integers(model, quantize_images(model.image, pixels))
    for node in model.graph.nodes[1:]:  # a machine's psums, too, are what the operator says
        own = node.operator.integers(model, node, [outputs[each] for each in node.inputs])
        bounds = node.operator.bounds(model, node)
        clamped = own if bounds is None else np.clip(own.astype(np.int64), *bounds)
        np.testing.assert_array_equal(clamped, outputs[node.name])


def calibrated(graph, seed):
    """The network in eight bits, with its ranges.

    They are a little wider than calibrated, each by another factor: where scales are to each other
    as 1 to 2, every second number is a tie, which floats round to even and integers up.
    """
    network = with_random_weights(graph, seed)
    c, *size = graph.nodes[0].shape
    pixels = random_pixels(graph, 16, seed)
    image = ImageSettings(1 / 255, (0.4,) * c, (0.3,) * c, tuple(size)).quantizer(pixels)
    parts = {
        node.name: Int8Convolution(
            node.layer, network.weights[node.name], network.biases[node.name]
        )
        for node in graph.convs
    }
    constants = constant_tensors(network)
    module, random = GraphModule(graph, parts, constants=constants), np.random.default_rng(seed)
    ranges = calibrate(module, image, pixels, "max")
    for each, span in ranges.items():
        if each != graph.nodes[0].name:
            ranges[each] = dataclasses.replace(span, scale=span.scale * random.uniform(1.0, 1.1))
    return network, module.with_ranges(ranges), image, pixels


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", DRAWN)
def test_the_integers_are_the_floats_on_their_grids(name, seed):
    """Node by node: what the lowered integers say is what the quantized floats say."""
    graph = a_graph(name, seed)
    _, module, image, pixels = calibrated(graph, seed)
    model = lower(module, image, {}, exact=True)
    outputs = same_integers(model, quantize_images(image, pixels))
    scales = {each: span.scale for each, span in module.tensor_ranges.items()}
    for node in graph.nodes[1:]:
        read = [
            torch.from_numpy(outputs[each].astype(np.float32)) * scales[each]
            for each in node.inputs
        ]
        with torch.no_grad():
            wanted = module.run_node(node, read).numpy() / scales[node.name]
        difference = np.abs(np.rint(wanted) - outputs[node.name])
        assert difference.max() <= 1, node.name
        assert (difference > 0).mean() <= SHARE_OF_STEPS, node.name


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", DRAWN)
def test_what_is_called_unsigned_is_never_negative(name, seed):
    graph = a_graph(name, seed)
    network, _, image, pixels = calibrated(graph, seed)
    signed = {graph.nodes[0].name: image.low < 0}
    with torch.no_grad():
        for node, _, value in float_module(network).walk(image_tensor(image, pixels)):
            signed[node.name] = node.operator.signed(node, [signed[each] for each in node.inputs])
            assert signed[node.name] or float(value.min()) >= 0, node.name
    owned = limits(graph, signed_input=image.low < 0)
    assert set(owned) == {node.name for node in graph.nodes if node.operator.owns_range}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", DRAWN)
def test_channels_that_do_nothing_go_and_no_bit_changes(name, seed):
    random = np.random.default_rng(seed)
    model = thinned(random_integers(random, a_graph(name, seed)), random)
    small = remove_idle(model)
    inputs = quantize_images(model.image, random_pixels(model.graph, 2, seed))
    found, wanted = (same_integers(each, inputs)["last"] for each in (small, model))
    np.testing.assert_array_equal(found, wanted)
    for node in small.graph.nodes:
        check_node(node, [small.graph[each].shape for each in node.inputs])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", DRAWN)
def test_channels_come_from_where_they_are_said_to(name, seed):
    """An output channel depends on its sources alone, and is 0 where they are."""
    model = random_integers(np.random.default_rng(seed), a_graph(name, seed))
    node = model.graph["made0"]
    shapes = [model.graph[each].shape for each in node.inputs]
    sources = node.operator.sources(node, [shape[0] for shape in shapes])
    if sources is None:
        assert model.graph.producers(node.name) in ((), (node.name,))
        return
    random = np.random.default_rng(seed)
    read = [random.integers(0, 256, (1, *shape)).astype(np.uint8) for shape in shapes]
    before = node.operator.integers(model, node, read)
    first = [shape[0] for shape in shapes]
    for channel in range(sum(first)):
        operand = int(np.searchsorted(np.cumsum(first), channel, side="right"))
        changed = [each.copy() for each in read]
        changed[operand][:, channel - sum(first[:operand])] ^= 85
        differs = (node.operator.integers(model, node, changed) != before).any(axis=(0, 2, 3))
        assert set(np.flatnonzero(differs)) <= set(np.flatnonzero((sources == channel).any(axis=1)))
    silent = node.operator.integers(model, node, [np.zeros_like(each) for each in read])
    assert not (node.operator.keeps_zero and silent.any())


@pytest.mark.parametrize("name", DRAWN)
def test_shapes_are_inferred_and_checked(name):
    graph = a_graph(name, 1)
    node = graph["made0"]
    shapes = [graph[each].shape for each in node.inputs]
    check_node(node, shapes)
    wrong = dataclasses.replace(node, shape=(node.shape[0], node.shape[1], node.shape[2] + 1))
    with pytest.raises(WorkloadError, match=r"made0: shape is .*, wanted \("):
        check_node(wrong, shapes)
    with pytest.raises(WorkloadError, match="made0: reads 0 nodes, wanted"):
        check_node(node, [])
    extra = dataclasses.replace(node, attributes={**node.attributes, "colour": 1})
    with pytest.raises(WorkloadError, match="made0: unknown attribute 'colour', allowed are"):
        check_node(extra, shapes)
    for field in node.attributes:
        if getattr(node.operator.attributes[field], "default", None) is not None:
            continue
        rest = {key: value for key, value in node.attributes.items() if key != field}
        with pytest.raises(WorkloadError, match=f"made0: ({field} is )?None( is no part|, wanted)"):
            check_node(dataclasses.replace(node, attributes=rest), shapes)


@pytest.mark.parametrize("name", DRAWN)
def test_integers_that_are_missing_are_named(name):
    model = random_integers(np.random.default_rng(0), a_graph(name, 0))
    node = model.graph["made0"]
    for table in node.operator.stores:
        rest = {key: value for key, value in getattr(model, table).items() if key != node.name}
        with pytest.raises(WorkloadError, match=rf"{name}: made0 \({name}\) has no integers"):
            dataclasses.replace(model, **{table: rest})


class Parts(nn.Module):
    """A function of an image and two convolutions as a module."""

    def __init__(self, function):
        super().__init__()
        self.conv, self.other = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(2))
        self.function = function

    def forward(self, x):
        return self.function(self, x)


@pytest.mark.parametrize("name", DRAWN)
def test_the_operator_is_read_from_torch(name):
    torch.manual_seed(7)
    module = Parts(case(name).in_torch).eval()
    network = capture(module, torch.zeros(1, 3, 8, 8), "net")
    assert name in {node.op for node in network.graph.nodes}
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        found, wanted = float_module(network)(images), module(images).flatten(1)
    torch.testing.assert_close(found, wanted, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("name", DRAWN)
def test_the_operator_is_read_from_onnx(name, tmp_path):
    b = Builder()
    network = assert_same(b.save(tmp_path / "net.onnx", case(name).in_onnx(b)), b)
    assert name in {node.op for node in network.graph.nodes}


def test_names_that_no_operator_has_are_refused():
    with pytest.raises(
        WorkloadError, match="unknown operator 'mix', allowed are add, affine, avg_pool,"
    ):
        operator("mix")
    assert set(DRAWN) == set(NAMES) - {"input"}


def test_every_spelling_is_found():
    assert spellings.aten()["relu6"].read
    assert spellings.onnx()["Gemm"].make is not None


def compared(path):
    """The operators that a file compares a node's with, by name."""
    for each in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(each, ast.Compare) and ast.unparse(each.left).endswith(".op"):
            for part in ast.walk(each):
                if isinstance(part, ast.Constant) and part.value in NAMES:
                    yield part.value


def test_nothing_else_tells_operators_apart():
    """Interpreters ask the operator; a new one needs no branch of theirs and no list."""
    root = Path(__file__).parents[2]
    files = [
        path
        for folder in ("workloads", "escalate", "arch")
        for path in root.glob(f"{folder}/**/*.py")
    ]
    found = {str(path.relative_to(root)): set(compared(path)) for path in files}
    assert {path: names for path, names in found.items() if names} == {
        "workloads/graph.py": {"input"},  # the first node
        "escalate/capture/fold.py": {
            "affine",
            "avg_pool",
            "conv",
            "max_pool",
            "pad",
            "relu",
            "table",
        },
    }
