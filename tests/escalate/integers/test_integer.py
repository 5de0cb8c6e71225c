"""Do the torch model and the NumPy executor compute the same integers, operator by operator?"""

import dataclasses
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from escalate.integers import integer
from tests.workloads.models import every_operator, random_graph, random_integers
from workloads.convolve import convolve
from workloads.errors import WorkloadError
from workloads.execute import execute, quantize_images
from workloads.graph import Graph, Node
from workloads.integer import ConvIntegers, ImageQuantizer, IntegerModel
from workloads.layer import ConvLayer
from workloads.operators import conv
from workloads.requantize import Requantizer
from workloads.weights import LayerWeights


def random_pixels(rng, model, count=2):
    shape = (count, *model.graph.nodes[0].shape)
    return rng.integers(0, 256, shape).astype(np.uint8)


def assert_same(model, pixels):
    ours = execute(model, quantize_images(model.image, pixels), convolve)
    theirs = integer.run(model, integer.quantize(model.image, pixels))
    assert list(ours) == list(theirs)
    for name, values in ours.items():
        other = theirs[name].numpy()
        assert values.dtype == other.dtype, name
        np.testing.assert_array_equal(values, other, err_msg=name)


@pytest.mark.parametrize("seed", range(12))
def test_every_operator_agrees_with_the_numpy_executor(seed):
    rng = np.random.default_rng(seed)
    model = random_integers(rng, every_operator())
    assert_same(model, random_pixels(rng, model))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 10))
def test_random_graphs_agree_with_the_numpy_executor(seed, operators):
    rng = np.random.default_rng(seed)
    model = random_integers(rng, random_graph(rng, operators))
    assert_same(model, random_pixels(rng, model))


def one_layer(weights, *, bias=0, multiplier=1, shift=0, low=-(2**15), high=2**15 - 1):
    k, c, r, s = weights.shape
    layer = ConvLayer("only", C=c, K=k, H=2, W=2, R=r, S=s)
    graph = Graph(
        "net",
        (
            Node("input", "input", (), (c, 2, 2)),
            Node("only", "conv", ("input",), (k, layer.P, layer.Q), layer),
        ),
    )
    requantizer = Requantizer(
        np.full(k, multiplier, np.int32), np.full(k, bias, np.int32), shift, low, high
    )
    image = ImageQuantizer(1.0, (0.0,) * c, (1.0,) * c, 1.0, 0, 255, (2, 2))
    convs = {"only": ConvIntegers(LayerWeights(weights=weights), requantizer)}
    return IntegerModel(graph, convs, {}, {}, image, 1.0)


@pytest.mark.parametrize("multiplier", [1, -1, 3])
@pytest.mark.parametrize("shift", [0, 1, 4])
def test_rounding_is_half_up_in_both(multiplier, shift):
    model = one_layer(np.ones((1, 1, 1, 1), np.int8), multiplier=multiplier, shift=shift)
    pixels = np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 2)
    wanted = np.floor(np.arange(4) * multiplier / 2**shift + 0.5)
    assert integer.predict(model, pixels).tolist() == [wanted.tolist()]
    assert_same(model, pixels)


def test_predictions_do_not_depend_on_the_batch():
    rng = np.random.default_rng(3)
    model = random_integers(rng, every_operator())
    pixels = random_pixels(rng, model, 7)
    whole = integer.predict(model, pixels)
    assert whole.shape == (7, 5)
    assert whole.dtype == np.int64
    for batch in (1, 2, 7, 100):
        np.testing.assert_array_equal(integer.predict(model, pixels, batch=batch), whole)


def test_inputs_may_be_a_tensor_or_a_read_only_array():
    rng = np.random.default_rng(4)
    model = random_integers(rng, every_operator())
    inputs = quantize_images(model.image, random_pixels(rng, model))
    inputs.setflags(write=False)
    first = integer.run(model, inputs)["linear"]
    assert torch.equal(first, integer.run(model, torch.tensor(inputs))["linear"])


def test_accuracy_counts_the_first_of_equal_logits():
    model = one_layer(np.zeros((2, 1, 2, 2), np.int8))
    pixels = np.zeros((4, 1, 2, 2), np.uint8)
    assert integer.accuracy(model, pixels, np.array([0, 0, 1, 0])) == 0.75


def test_quantizers_round_half_to_even_alike():
    image = ImageQuantizer(1.0, (0.0,), (2.0,), 1.0, -3, 3, (1, 6))
    pixels = np.array([[[[0, 1, 3, 5, 7, 200]]]], np.uint8)
    assert integer.quantize(image, pixels).tolist() == [[[[0, 0, 2, 2, 3, 3]]]]
    assert quantize_images(image, pixels).tolist() == [[[[0, 0, 2, 2, 3, 3]]]]


@settings(deadline=None, max_examples=40)
@given(st.floats(1e-4, 1.0), st.floats(-1.0, 1.0), st.floats(0.01, 3.0), st.floats(1e-3, 0.5))
def test_quantizers_agree_on_every_pixel(pixel_scale, mean, std, scale):
    image = ImageQuantizer(pixel_scale, (mean,), (std,), scale, -127, 127, (16, 16))
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    np.testing.assert_array_equal(
        quantize_images(image, pixels), integer.quantize(image, pixels).numpy()
    )


def test_wrong_inputs_are_named():
    model = one_layer(np.ones((1, 1, 1, 1), np.int8))
    with pytest.raises(WorkloadError, match=r"input: inputs are torch.int8 \(1, 1, 2, 2\), wanted"):
        integer.run(model, np.zeros((1, 1, 2, 2), np.int8))
    with pytest.raises(WorkloadError, match=r"wanted torch.uint8 \(N, 1, 2, 2\)"):
        integer.run(model, np.zeros((1, 1, 3, 2), np.uint8))


def test_wrong_images_are_named():
    model = one_layer(np.ones((1, 1, 1, 1), np.int8))
    message = re.escape("images: shape (1, 2, 2, 2), wanted (N, 1, 2, 2)")
    with pytest.raises(WorkloadError, match=message):
        integer.predict(model, np.zeros((1, 2, 2, 2), np.uint8))
    pixels = np.zeros((1, 1, 2, 2))
    pixels[0, 0, 1, 0] = np.nan
    with pytest.raises(WorkloadError, match=r"pixel at \[0, 0, 1, 0\] is not a finite number"):
        integer.predict(model, pixels)


def test_psums_beyond_32_bits_are_refused():
    model = one_layer(np.full((1, 1, 1, 1), 127, np.int8), bias=2**31 - 127)
    integer.predict(model, np.zeros((1, 1, 2, 2), np.uint8))
    with pytest.raises(WorkloadError, match="only: psum \\+ bias leaves the 32-bit range"):
        integer.predict(model, np.ones((1, 1, 2, 2), np.uint8))


def test_sums_beyond_exact_float64_are_refused(monkeypatch):
    model = one_layer(np.full((1, 1, 1, 1), 127, np.int8))
    pixels = np.full((1, 1, 2, 2), 255, np.uint8)
    monkeypatch.setattr(conv, "EXACT_FLOAT64", 127 * 255 + 1)
    integer.predict(model, pixels)
    monkeypatch.setattr(conv, "EXACT_FLOAT64", 127 * 255)
    with pytest.raises(WorkloadError, match="only: psums may reach 2\\^53"):
        integer.predict(model, pixels)


def test_a_window_of_padding_alone_is_refused():
    rng = np.random.default_rng(0)
    attributes = {"kernel": [1, 1], "stride": [1, 1], "padding": [1, 0, 0, 0]}
    nodes = (
        Node("input", "input", (), (1, 2, 2)),
        Node("pool", "max_pool", ("input",), (1, 3, 2), attributes=attributes),
    )
    model = random_integers(rng, Graph("net", nodes))
    with pytest.raises(WorkloadError, match="pool: a pooling window holds nothing but padding"):
        integer.predict(model, np.zeros((1, 1, 2, 2), np.uint8))


def test_ranges_beyond_16_bits_are_refused():
    model = random_integers(np.random.default_rng(0), every_operator())
    wide = dataclasses.replace(model, bounds={**model.bounds, "relu": (0, 2**16)})
    with pytest.raises(WorkloadError, match=r"range 0\.\.65536 does not fit 16 bits"):
        integer.run(wide, quantize_images(wide.image, np.zeros((1, 3, 9, 11), np.uint8)))


@pytest.mark.parametrize("labels", [np.zeros(3, int), np.zeros((2, 1), int)])
def test_accuracy_wants_one_label_per_image(labels):
    model = one_layer(np.zeros((2, 1, 2, 2), np.int8))
    with pytest.raises(WorkloadError, match="wanted one label per image"):
        integer.accuracy(model, np.zeros((2, 1, 2, 2), np.uint8), labels)
