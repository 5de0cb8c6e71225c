"""Removal: the outputs stay equal bit for bit, and what does nothing is gone."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from escalate.integers.integer import predict
from escalate.integers.removal import remove_idle, removed
from tests.workloads.models import every_operator, random_graph, random_integers
from workloads.convolve import convolve
from workloads.execute import execute
from workloads.graph import Graph, Node
from workloads.integer import ConvIntegers, ImageQuantizer, IntegerModel, Rescale
from workloads.layer import ConvLayer
from workloads.requantize import Requantizer
from workloads.weights import LayerWeights


def thinned(model, random, filters=0.4, channels=0.2):
    """The model with whole filters, input channels and basis kernels emptied at random."""
    convs = {}
    for node in model.graph.convs:
        weights, rule = model.convs[node.name].weights, model.convs[node.name].requantizer
        bias = rule.bias.copy()
        dead = random.random(node.layer.K) < filters
        bias[dead & (random.random(node.layer.K) < 0.7)] = 0
        changes = {}
        for field in ("weights", "coefficients"):
            array = getattr(weights, field)
            if array is not None:
                array = array.copy()
                array[dead] = 0
                array[:, random.random(array.shape[1]) < channels] = 0
                if field == "coefficients":
                    array[:, :, random.random(array.shape[2]) < 0.3] = 0
                changes[field] = array
        fresh = Requantizer(rule.multiplier, bias, rule.shift, rule.low, rule.high)
        convs[node.name] = ConvIntegers(dataclasses.replace(weights, **changes), fresh)
    return dataclasses.replace(model, convs=convs)


def with_conv(model, name, **changes):
    """The model with other integers of one convolution."""
    conv = dataclasses.replace(model.convs[name], **changes)
    return dataclasses.replace(model, convs={**model.convs, name: conv})


def logits(model, inputs):
    return execute(model, inputs, convolve)[model.graph.output.name]


def inputs_of(model, random, count=2):
    low, high = model.image.low, model.image.high
    shape = (count, *model.graph.nodes[0].shape)
    return random.integers(low, high + 1, shape).astype(np.uint8 if low == 0 else np.int8)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_output_bit_changes(seed):
    random = np.random.default_rng(seed)
    graph = every_operator() if seed % 3 == 0 else random_graph(random)
    model = thinned(random_integers(random, graph), random)
    small = remove_idle(model)
    inputs = inputs_of(model, random)
    np.testing.assert_array_equal(logits(small, inputs), logits(model, inputs))
    assert sum(n.shape[0] for n in small.graph.nodes) <= sum(n.shape[0] for n in graph.nodes)
    again = remove_idle(small)
    assert again.graph == small.graph


def conv(name, source, layer, **fields):
    return Node(name, "conv", (source,), (layer.K, layer.P, layer.Q), layer=layer, **fields)


def residual():
    """Two blocks, the second one strided with an option-A shortcut, mean and classifier."""
    edge = (1, 1, 1, 1)
    stem = ConvLayer("stem", 3, 4, 8, 8, 3, 3, padding=edge)
    a = ConvLayer("a", 4, 6, 8, 8, 3, 3, padding=edge)
    b = ConvLayer("b", 6, 4, 8, 8, 3, 3, padding=edge)
    c = ConvLayer("c", 4, 8, 8, 8, 3, 3, stride=2, padding=edge)
    d = ConvLayer("d", 8, 8, 4, 4, 3, 3, padding=edge)
    fc = ConvLayer("fc", 8, 5, 1, 1)
    rows = {"axis": 2, "start": 0, "stop": 8, "step": 2}
    mean = {"kernel": [4, 4], "stride": [4, 4], "padding": [0, 0, 0, 0]}
    nodes = (
        Node("input", "input", (), (3, 8, 8)),
        conv("stem", "input", stem, relu=True),
        conv("a", "stem", a, relu=True),
        conv("b", "a", b),
        Node("sum1", "add", ("b", "stem"), (4, 8, 8), relu=True),
        Node("rows", "slice", ("sum1",), (4, 4, 8), attributes=rows),
        Node("columns", "slice", ("rows",), (4, 4, 4), attributes=rows | {"axis": 3}),
        Node("wider", "pad", ("columns",), (8, 4, 4), attributes={"padding": [2, 2, 0, 0, 0, 0]}),
        conv("c", "sum1", c, relu=True),
        conv("d", "c", d),
        Node("sum2", "add", ("d", "wider"), (8, 4, 4), relu=True),
        Node("mean", "avg_pool", ("sum2",), (8, 1, 1), attributes=mean),
        Node("flat", "flatten", ("mean",), (8, 1, 1)),
        conv("fc", "flat", fc),
    )
    return Graph("residual", nodes)


def residual_model(seed=0):
    return random_integers(np.random.default_rng(seed), residual())


def emptied(model, name, *, filters=(), channels=()):
    """The layer with filters and input channels emptied, biases of the filters 0."""
    weights, rule = model.convs[name].weights, model.convs[name].requantizer
    field = "weights" if weights.weights is not None else "coefficients"
    array, bias = getattr(weights, field).copy(), rule.bias.copy()
    array[list(filters)] = 0
    array[:, list(channels)] = 0
    bias[list(filters)] = 0
    fresh = Requantizer(rule.multiplier, bias, rule.shift, rule.low, rule.high)
    changed = dataclasses.replace(weights, **{field: array})
    return with_conv(model, name, weights=changed, requantizer=fresh)


def assert_equal(small, model):
    inputs = inputs_of(model, np.random.default_rng(5), 3)
    np.testing.assert_array_equal(logits(small, inputs), logits(model, inputs))


def test_a_filter_inside_a_block_goes_with_the_next_layers_channel():
    model = emptied(residual_model(), "a", filters=[1, 4])
    small = remove_idle(model)
    assert (small.graph["a"].layer.K, small.graph["b"].layer.C) == (4, 4)
    assert small.convs["a"].macs == residual()["a"].layer.macs
    assert_equal(small, model)


def test_a_channel_that_nobody_reads_goes_with_its_filter():
    model = emptied(residual_model(), "d", channels=[0, 7])
    small = remove_idle(model)
    assert (small.graph["c"].layer.K, small.graph["d"].layer.C) == (6, 6)
    assert_equal(small, model)


def test_a_shortcut_keeps_a_channel_that_one_operand_still_has():
    model = emptied(residual_model(), "b", filters=[2])
    assert remove_idle(model).graph["b"].layer.K == 4
    both = emptied(model, "stem", filters=[2])
    assert remove_idle(both).graph["b"].layer.K == 4  # the padded shortcut has it in its middle
    both = emptied(both, "d", filters=[4])
    small = remove_idle(both)
    shapes = {name: small.graph[name].shape[0] for name in ("stem", "b", "sum1", "rows", "columns")}
    assert set(shapes.values()) == {3}
    assert small.graph["c"].layer.C == 3
    assert_equal(small, both)


def test_padded_channels_of_a_shortcut_go_where_the_sum_loses_them():
    model = emptied(residual_model(), "d", filters=[0, 7])
    small = remove_idle(model)
    assert small.graph["wider"].attributes["padding"] == [1, 1, 0, 0, 0, 0]
    assert small.graph["sum2"].shape[0] == small.graph["fc"].layer.C == 6
    assert_equal(small, model)


def test_a_bias_that_shows_keeps_its_filter():
    model = emptied(residual_model(), "a", filters=[1])
    rule = model.convs["a"].requantizer
    loud = Requantizer(
        np.full_like(rule.multiplier, 1 << 20), np.full_like(rule.bias, 50), 20, 0, 255
    )
    model = with_conv(model, "a", requantizer=loud)
    assert remove_idle(model).graph["a"].layer.K == 6


def test_a_network_that_does_nothing_keeps_a_channel_everywhere():
    model = residual_model()
    for node in model.graph.convs:
        model = emptied(model, node.name, filters=range(node.layer.K))
    small = remove_idle(model)
    assert min(node.shape[0] for node in small.graph.nodes) == 1
    assert small.graph.output.shape == (5, 1, 1)
    assert_equal(small, model)


def test_a_depthwise_layer_loses_input_and_output_together():
    edge = (1, 1, 1, 1)
    layers = (
        ConvLayer("first", 2, 6, 5, 5),
        ConvLayer("depth", 6, 6, 5, 5, 3, 3, padding=edge, groups=6),
        ConvLayer("last", 6, 3, 5, 5),
    )
    nodes = [Node("input", "input", (), (2, 5, 5))]
    for layer in layers:
        nodes.append(conv(layer.name, nodes[-1].name, layer, relu=layer.name != "last"))
    model = random_integers(np.random.default_rng(1), Graph("net", tuple(nodes)))
    model = emptied(emptied(model, "last", channels=[0, 3]), "depth", filters=[5])
    model = emptied(model, "first", filters=[5])
    small = remove_idle(model)
    depth = small.graph["depth"].layer
    assert (depth.C, depth.K, depth.groups) == (3, 3, 3)
    assert_equal(small, model)


def test_basis_kernels_that_nothing_mixes_in_go():
    random = np.random.default_rng(2)
    coefficients = random.integers(-1, 2, (4, 3, 5)).astype(np.int8)
    coefficients[:, :, [0, 3]] = 0
    coefficients[:, :, 1] = 1
    basis = random.integers(-127, 128, (5, 3, 3)).astype(np.int8)
    layer = ConvLayer("only", 3, 4, 6, 6, 3, 3)
    nodes = (Node("input", "input", (), (3, 6, 6)), conv("only", "input", layer))
    model = IntegerModel(
        Graph("net", nodes),
        {
            "only": ConvIntegers(
                LayerWeights(
                    basis=basis, coefficients=coefficients, alpha=np.full((4, 5), 7, np.uint8)
                ),
                Requantizer(np.full(4, 1 << 20, np.int32), np.zeros(4, np.int32), 26, -127, 127),
            )
        },
        {},
        {},
        ImageQuantizer(1 / 255, (0.0,) * 3, (1.0,) * 3, 1 / 255, 0, 255, (6, 6)),
        1.0,
    )
    small = remove_idle(model)
    np.testing.assert_array_equal(small.convs["only"].weights.basis, basis[[1, 2, 4]])
    assert small.convs["only"].weights.alpha.shape == (4, 3)
    assert removed(model.weights, small.weights) == "0 of 4 filters and 2 of 5 basis kernels"
    assert_equal(small, model)
    pixels = random.integers(0, 256, (2, 3, 6, 6)).astype(np.uint8)
    np.testing.assert_array_equal(predict(small, pixels), predict(model, pixels))


def test_rescales_are_untouched():
    model = residual_model()
    assert remove_idle(model).rescales == model.rescales
    assert all(isinstance(r, Rescale) for pair in model.rescales.values() for r in pair)


@pytest.mark.parametrize("seed", range(3))
def test_a_whole_model_is_returned_as_it_is(seed):
    model = residual_model(seed)
    full = {
        name: dataclasses.replace(
            weights,
            coefficients=None
            if weights.coefficients is None
            else np.where(weights.coefficients == 0, np.int8(1), weights.coefficients),
            weights=None
            if weights.weights is None
            else np.where(weights.weights == 0, np.int8(1), weights.weights),
        )
        for name, weights in model.weights.items()
    }
    for name, weights in full.items():
        model = with_conv(model, name, weights=weights)
    small = remove_idle(model)
    assert small.graph == model.graph
    assert all(conv.macs is None for conv in small.convs.values())
