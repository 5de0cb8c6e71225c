"""Lowering: the integer model computes what the fake-quantized module computes."""

import numpy as np
import pytest
import torch

from escalate.errors import DecompositionError
from escalate.integers.lower import lower
from escalate.ternary.survival import Survival
from escalate.train.calibrate import calibrate
from escalate.train.convolutions import DecomposedConvolution, Int8Convolution, TernaryConvolution
from escalate.train.images import image_tensor
from escalate.train.match import match_statistics, output_moments
from escalate.train.modules import GraphModule, float_module
from tests.escalate.small_networks import (
    SETTINGS,
    every_operator,
    random_pixels,
    tiny,
    with_random_weights,
)
from workloads.convolve import convolve
from workloads.execute import execute, quantize_images
from workloads.integer import ImageQuantizer

RULE = Survival(density=0.5)
LARGEST_STEP = 1  # a rounding that float32 and the integers see on different sides
SHARE_OF_STEPS = 1e-3  # how often that may happen


def calibrated(seed, method="max", forms="mixed"):
    network = with_random_weights(every_operator(), seed)
    pixels = random_pixels(network.graph, 32, seed)
    image = SETTINGS.quantizer(pixels)
    parts = {}
    for node in network.graph.convs:
        arrays = (node.layer, network.weights[node.name], network.biases[node.name])
        if forms == "int8" or node.name in ("c1", "dw"):
            parts[node.name] = Int8Convolution(*arrays)
        elif node.layer.R == 1:
            parts[node.name] = TernaryConvolution(*arrays, RULE)
        else:
            parts[node.name] = DecomposedConvolution(*arrays, RULE, 4)
    module = GraphModule(network.graph, parts)
    if forms == "mixed":
        match_statistics(
            module, output_moments(float_module(network), image, pixels), image, pixels
        )
    module = module.with_ranges(calibrate(module, image, pixels, method))
    return module, image, pixels


def integers_of(model, pixels):
    return execute(model, quantize_images(model.image, pixels), convolve)


@pytest.mark.parametrize("forms", ["mixed", "int8"])
@pytest.mark.parametrize("method", ["max", "mse"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_node_agrees_with_its_fake_quantized_twin(forms, method, seed):
    module, image, pixels = calibrated(seed, method, forms)
    model = lower(module, image, {}, exact=True)
    outputs = integers_of(model, pixels)
    for node in module.graph.nodes[1:]:
        operands = [
            torch.from_numpy(outputs[name].astype(np.float32)) * module.tensor_ranges[name].scale
            for name in node.inputs
        ]
        with torch.no_grad():
            wanted = module.run_node(node, operands).numpy() / module.tensor_ranges[node.name].scale
        difference = np.abs(np.rint(wanted) - outputs[node.name])
        assert difference.max() <= LARGEST_STEP, node.name
        assert (difference > 0).mean() <= SHARE_OF_STEPS, node.name


@pytest.mark.parametrize("forms", ["mixed", "int8"])
def test_the_logits_are_those_of_the_module(forms):
    module, image, pixels = calibrated(2, "mse", forms)
    model = lower(module, image, {}, exact=True)
    steps = integers_of(model, pixels)["fc"].reshape(len(pixels), -1)
    with torch.no_grad():
        wanted = module(image_tensor(image, pixels)).numpy()
    off = np.abs(steps * model.output_scale - wanted)
    spread = np.abs(wanted).max()
    assert np.median(off) <= model.output_scale  # most images: not one 16-bit step apart
    assert off.max() <= 0.02 * spread  # one 8-bit step somewhere inside, passed on
    assert (steps.argmax(axis=1) == wanted.argmax(axis=1)).mean() > 0.9


def test_integers_types_and_bounds():
    module, image, pixels = calibrated(0)
    model = lower(module, image, {"method": "test"})
    assert model.convs["c1"].weights.weights.dtype == np.int8
    assert model.convs["c2"].weights.basis.shape == (4, 3, 3)
    assert model.convs["c2"].weights.coefficients.shape == (8, 4, 4)
    assert model.convs["c3"].weights.basis is None
    assert model.convs["c1"].requantizer.low == 0
    assert model.convs["c3"].requantizer.high <= 255
    assert (model.convs["fc"].requantizer.low, model.convs["fc"].requantizer.high) == (
        -32768,
        32767,
    )
    assert model.bounds["clip"][0] == 0
    assert model.bounds["sum"] == (-127, 127)
    assert {n: len(r) for n, r in model.rescales.items()} == {
        "sum": 2,
        "both": 2,
        "join": 2,
        "mean": 1,
    }
    assert model.provenance == {"method": "test"}
    outputs = integers_of(model, pixels)
    assert outputs["fc"].dtype == np.int16
    assert outputs["c1"].dtype == np.uint8
    assert outputs["c2"].dtype == np.int8


def test_negative_and_vanished_scales_survive():
    module, image, pixels = calibrated(1)
    convolution = module.convolution("c3")
    with torch.no_grad():
        convolution.filter_scales[0] *= -1
        convolution.filter_scales[1] = 0.0
        convolution.bias[1] = 0.7
        convolution.latent[2] = 0.0
        convolution.bias[2] = 0.4
    model = lower(module, image, {}, exact=True)
    assert model.convs["c3"].requantizer.multiplier[0] < 0
    assert not model.convs["c3"].weights.coefficients[1:3].any()
    out = integers_of(model, pixels)["c3"]
    scale = module.tensor_ranges["c3"].scale
    high = module.tensor_ranges["c3"].high
    for channel, bias in ((1, 0.7), (2, 0.4)):
        assert (np.abs(out[:, channel] - min(bias / scale, high)) <= 0.51).all()


@pytest.mark.parametrize("name", ["c1", "c2"])
def test_weights_that_drown_in_their_bias_are_stored_as_zeros(name):
    module, image, pixels = calibrated(1)
    with torch.no_grad():
        module.convolution(name).scale_channels(torch.tensor([1e-12] + [1.0] * 7))
        module.convolution(name).bias[0] = 0.5
    model = lower(module, image, {}, exact=True)
    weights = model.convs[name].weights
    stored = weights.weights if weights.weights is not None else weights.coefficients
    assert not stored[0].any()
    assert stored[1:].any()
    span = module.tensor_ranges[name]
    out = integers_of(model, pixels)[name][:, 0]
    assert (np.abs(out - min(0.5 / span.scale, span.high)) <= 0.51).all()


def test_an_uncalibrated_module_is_refused():
    module, image, _ = calibrated(0)
    with pytest.raises(DecompositionError, match="every: the network is not calibrated"):
        lower(module.with_ranges(None), image, {})


def test_a_module_in_floats_is_refused():
    network = with_random_weights(tiny())
    pixels = random_pixels(network.graph, 4)
    image = ImageQuantizer(1 / 255, (0.0,), (1.0,), 1 / 255, 0, 255, (6, 6))
    module = float_module(network)
    module = module.with_ranges(calibrate(module, image, pixels, "max"))
    with pytest.raises(DecompositionError, match="first: the convolution is still in floats"):
        lower(module, image, {}, exact=True)
