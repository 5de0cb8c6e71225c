"""Modules: gradients against finite differences, the graph against plain torch, matching."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from escalate.errors import DecompositionError
from escalate.ternary.decompose import decompose
from escalate.ternary.quantize import quantize_basis
from escalate.ternary.survival import Survival
from escalate.ternary.ternary import refit, ternary_layer
from escalate.train.activation_range import Range, limits
from escalate.train.calibrate import calibrate
from escalate.train.convolutions import (
    Convolution,
    DecomposedConvolution,
    FloatConvolution,
    Int8Convolution,
    QuantizedConvolution,
    TernaryConvolution,
)
from escalate.train.images import image_tensor
from escalate.train.match import match_statistics, output_moments
from escalate.train.modules import GraphModule, float_module
from escalate.train.straight_through import fake_quantize, round_to_step, ternary
from tests.escalate.small_networks import (
    SETTINGS,
    TINY_SETTINGS,
    every_operator,
    random_pixels,
    tiny,
    with_random_weights,
)
from workloads.layer import ConvLayer

LAYER = ConvLayer("a", C=4, K=6, H=7, W=6, R=3, S=3, padding=(1, 0, 2, 1))
HALF_DENSE = Survival(density=0.5)
SINGLE = 1e-5  # relative rounding of float32


def weights_of(layer, seed=0):
    return np.random.default_rng(seed).normal(size=layer.weight_shape).astype(np.float32)


def bias_of(layer):
    return np.linspace(-1, 1, layer.K, dtype=np.float32)


def decomposed(M=4, rule=HALF_DENSE):
    return DecomposedConvolution(LAYER, weights_of(LAYER), bias_of(LAYER), rule, M)


def pointwise():
    layer = ConvLayer("p", C=8, K=5, H=3, W=3)
    return TernaryConvolution(layer, weights_of(layer), bias_of(layer), HALF_DENSE)


def int8():
    return Int8Convolution(LAYER, weights_of(LAYER), bias_of(LAYER))


# The three rounding steps: values and the stated gradients.


def gradient_of(function, values):
    leaf = values.clone().requires_grad_()
    weights = torch.arange(1.0, values.numel() + 1).reshape(values.shape)
    (function(leaf) * weights).sum().backward()
    return leaf.grad, weights


def test_ternary_passes_the_gradient_unchanged():
    values = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0])
    assert ternary(values, torch.tensor(0.5)).tolist() == [-1, 0, 0, 0, 1]
    gradient, wanted = gradient_of(lambda v: ternary(v, torch.tensor(0.5)), values)
    assert torch.equal(gradient, wanted)


def test_round_to_step_passes_the_gradient_unchanged():
    values = torch.tensor([-2.1, 0.3, 9.0])
    gradient, wanted = gradient_of(lambda v: round_to_step(v, torch.tensor(0.5)), values)
    assert torch.equal(gradient, wanted)


def test_fake_quantize_passes_the_gradient_inside_the_clamp_only():
    span = Range(0.5, -4, 4)
    values = torch.tensor([-9.0, -2.2, -1.9, 0.2, 2.2, 2.3])
    assert fake_quantize(values, span).tolist() == [-2.0, -2.0, -2.0, 0.0, 2.0, 2.0]
    gradient, wanted = gradient_of(lambda v: fake_quantize(v, span), values)
    assert torch.equal(gradient, wanted * torch.tensor([0, 1, 1, 1, 1, 0]))


def test_fake_quantize_rounds_half_up():
    found = fake_quantize(torch.tensor([-1.5, -0.5, 0.5, 1.5]), Range(1.0, -9, 9))
    assert found.tolist() == [-1, 0, 1, 2]


# Convolutions.


@pytest.mark.parametrize("make", [decomposed, pointwise, int8])
def test_the_integers_are_the_weights(make):
    module = make()
    integers = module.integers()
    rebuilt = integers.weights.dense() * integers.scales[:, None, None, None]
    np.testing.assert_allclose(module.weight().detach().numpy(), rebuilt, rtol=SINGLE, atol=1e-6)


def test_a_decomposed_convolution_starts_at_the_fitted_layer():
    weights = weights_of(LAYER)
    exact = decompose("a", weights, 4)
    fitted = refit(ternary_layer(exact, HALF_DENSE(exact.coefficients)), weights)
    module = decomposed()
    np.testing.assert_array_equal(module.signs().detach().numpy(), fitted.signs)
    basis = quantize_basis(fitted.basis, fitted.basis_scales)
    wanted = np.tensordot(fitted.signs, basis.kernels * basis.step, axes=1)
    wanted = wanted * fitted.filter_scales[:, None, None, None]
    np.testing.assert_allclose(module.weight().detach().numpy(), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rule", [Survival(threshold=0.4), HALF_DENSE])
def test_thresholds_follow_the_latent_coefficients(rule):
    module = decomposed(rule=rule)
    before = module.signs().detach().clone()
    with torch.no_grad():
        module.latent.mul_(3.0)
    module.update_thresholds()
    assert torch.equal(module.signs(), before)


def test_a_layer_of_zeros_stays_zero():
    module = DecomposedConvolution(
        LAYER, np.zeros(LAYER.weight_shape, np.float32), bias_of(LAYER), HALF_DENSE, 3
    )
    assert not module.weight().detach().any()
    assert not module.integers().scales.any()


def linear_loss(weight, seed=1):
    """A loss that is linear in the weights, so that straight-through gradients are exact."""
    generator = torch.Generator().manual_seed(seed)
    return (weight * torch.randn(weight.shape, generator=generator).to(weight.dtype)).sum()


def smooth_weight(module, values):
    """The decomposed weights without rounding, in float64, from named arrays."""
    kernels = values["basis"] * values["basis_scales"][:, None, None]
    mixing = module.signs().detach().double() * values["filter_scales"][:, None, None]
    return torch.tensordot(mixing, kernels, dims=1)


@pytest.mark.parametrize("name", ["filter_scales", "basis_scales", "basis"])
def test_gradients_of_scales_and_basis_are_finite_differences(name):
    module = decomposed().double()
    values = {
        n: getattr(module, n).detach().clone() for n in ("filter_scales", "basis_scales", "basis")
    }
    if name == "filter_scales":  # a multiplies the rounded basis
        values["basis"] = module.kernels().detach()
        values["basis_scales"] = torch.ones_like(values["basis_scales"])
    linear_loss(module.weight()).backward()
    analytic = getattr(module, name).grad.flatten()
    step = 1e-4
    for index in range(analytic.numel()):
        ends = []
        for direction in (step, -step):
            moved = {n: v.clone() for n, v in values.items()}
            moved[name].view(-1)[index] += direction
            ends.append(float(linear_loss(smooth_weight(module, moved))))
        numeric = (ends[0] - ends[1]) / (2 * step)
        assert float(analytic[index]) == pytest.approx(numeric, rel=1e-6, abs=1e-8)


def test_the_gradient_of_latent_coefficients_is_that_of_the_signs():
    module = decomposed().double()
    linear_loss(module.weight()).backward()
    signs = module.signs().detach().requires_grad_()
    mixing = signs * module.filter_scales.detach()[:, None, None]
    linear_loss(torch.tensordot(mixing, module.kernels().detach(), dims=1)).backward()
    torch.testing.assert_close(module.latent.grad, signs.grad)


def test_the_gradient_of_pointwise_scales_is_a_finite_difference():
    module = pointwise().double()
    linear_loss(module.weight()).backward()
    signs, scales = module.signs().detach(), module.filter_scales.detach()
    for index in range(scales.numel()):
        moved = scales.clone()
        moved[index] += 1.0
        change = linear_loss((signs * moved[:, None, None])[..., None]) - linear_loss(
            (signs * scales[:, None, None])[..., None]
        )
        assert float(module.filter_scales.grad[index]) == pytest.approx(float(change))


def test_int8_weights_pass_the_gradient_straight_through():
    module = int8()
    linear_loss(module.weight()).backward()
    leaf = module.weights.detach().clone().requires_grad_()
    linear_loss(leaf).backward()
    assert torch.equal(module.weights.grad, leaf.grad)


@pytest.mark.parametrize("make", [decomposed, pointwise, int8])
def test_scaling_channels_scales_the_weights(make):
    module = make()
    before = module.weight().detach().clone()
    gains = torch.linspace(0.5, 2.0, module.layer.K)
    module.scale_channels(gains)
    wanted = before * gains[:, None, None, None]
    torch.testing.assert_close(module.weight().detach(), wanted, rtol=1e-4, atol=1e-6)


def test_the_abstract_convolutions_make_nothing():
    with pytest.raises(NotImplementedError, match="Convolution makes no weights"):
        Convolution(LAYER, bias_of(LAYER)).weight()
    with pytest.raises(NotImplementedError, match="makes no integers"):
        QuantizedConvolution(LAYER, bias_of(LAYER)).integers()
    with pytest.raises(NotImplementedError, match="has no scales"):
        QuantizedConvolution(LAYER, bias_of(LAYER)).scale_channels(torch.ones(6))
    with pytest.raises(NotImplementedError, match="has no steps"):
        QuantizedConvolution(LAYER, bias_of(LAYER)).steps()


@pytest.mark.parametrize("make", [decomposed, pointwise, int8])
def test_the_bias_is_a_whole_number_of_psums_and_its_gradient_passes(make):
    module = make()
    scales = module.integers().scales
    np.testing.assert_allclose(module.steps().numpy(), scales, rtol=SINGLE)
    rounded = module.bias_on_grid(0.5)
    psums = rounded.detach().numpy() / (scales * 0.5)
    np.testing.assert_allclose(psums, np.rint(psums), atol=1e-2)
    assert (np.abs(rounded.detach().numpy() - bias_of(module.layer)) <= scales * 0.26).all()
    linear_loss(rounded).backward()
    leaf = module.bias.detach().clone().requires_grad_()
    linear_loss(leaf).backward()
    assert torch.equal(module.bias.grad, leaf.grad)


def test_a_channel_without_weights_keeps_its_bias_exact():
    module = int8()
    with torch.no_grad():
        module.weights[2] = 0.0
    assert module.bias_on_grid(0.5)[2] == module.bias[2]


def test_asymmetric_padding():
    module = FloatConvolution(LAYER, weights_of(LAYER), bias_of(LAYER))
    inputs = torch.randn(2, 4, 7, 6)
    wanted = functional.conv2d(functional.pad(inputs, (2, 1, 1, 0)), module.weights, module.bias)
    torch.testing.assert_close(module(inputs), wanted)
    assert wanted.shape[2:] == (LAYER.P, LAYER.Q)


# The interpreter.


def by_hand(network, images):
    """The graph ``every_operator``, written out in torch."""

    def conv(name, inputs, **fields):
        parts = (torch.tensor(network.weights[name]), torch.tensor(network.biases[name]))
        return functional.conv2d(inputs, *parts, **fields)

    c1 = functional.relu(conv("c1", images, padding=1))
    pool = functional.max_pool2d(c1, 3, 2, 1)
    c2 = conv("c2", pool, padding=2, dilation=2, groups=2)
    clip = c2.clamp(0.0, 1.0)
    c3 = conv("c3", c2 + pool).clamp(0.0, 1.5)
    both = torch.cat([clip, c3], dim=1)
    dw = conv("dw", functional.pad(both, (1, 0, 0, 1)), stride=2, groups=16)
    join = functional.relu(dw + both[:, :, 0:5:3, 1:5:3])
    mean = functional.avg_pool2d(functional.pad(join, (0, 0, 0, 0, 0, 2)), 2)
    return conv("fc", mean).flatten(1)


def test_the_float_graph_is_the_network():
    network = with_random_weights(every_operator())
    images = torch.randn(4, 3, 9, 9)
    with torch.no_grad():
        found = float_module(network)(images)
        torch.testing.assert_close(found, by_hand(network, images))


def quantized(network, M=4):
    parts = {}
    for node in network.graph.convs:
        arrays = (node.layer, network.weights[node.name], network.biases[node.name])
        if node.name in ("c1", "dw"):
            parts[node.name] = Int8Convolution(*arrays)
        elif node.layer.R == 1:
            parts[node.name] = TernaryConvolution(*arrays, HALF_DENSE)
        else:
            parts[node.name] = DecomposedConvolution(*arrays, HALF_DENSE, M)
    return GraphModule(network.graph, parts)


def test_every_tensor_that_has_a_range_is_observed_before_its_rounding():
    graph = every_operator()
    module = quantized(with_random_weights(graph))
    seen = {}
    with torch.no_grad():
        module(torch.randn(2, 3, 9, 9), observe=seen.__setitem__)
    assert set(seen) == set(limits(graph, signed_input=True)) - {"input"}
    assert all(value.shape[1:] == graph[name].shape for name, value in seen.items())
    assert float(seen["c3"].max()) <= 1.5


def test_quantized_activations_lie_on_their_grids():
    network = with_random_weights(every_operator())
    pixels = random_pixels(network.graph, 16)
    image = SETTINGS.quantizer(pixels)
    module = quantized(network)
    ranges = calibrate(module, image, pixels, "max")
    module = module.with_ranges(ranges)
    values = {"input": image_tensor(image, pixels)}
    with torch.no_grad():
        for node in network.graph.nodes[1:]:
            values[node.name] = module.run_node(node, [values[n] for n in node.inputs])
    for name, span in module.tensor_ranges.items():
        steps = values[name].double() / span.scale
        assert (steps - steps.round()).abs().max() < 1e-2, name
        assert span.low <= steps.round().min(), name
        assert steps.round().max() <= span.high, name


def test_max_calibration_clips_nothing_it_saw_and_logits_have_room():
    network = with_random_weights(every_operator())
    pixels = random_pixels(network.graph, 200)
    image = SETTINGS.quantizer(pixels)
    module = float_module(network)
    ranges = calibrate(module, image, pixels, "max")
    seen = {}
    with torch.no_grad():
        logits = module(image_tensor(image, pixels), observe=seen.__setitem__)
    for name, value in seen.items():
        assert ranges[name].limit >= float(value.abs().max()) * (1 - 1e-6), name
    assert ranges["fc"].limit == pytest.approx(2 * float(logits.abs().max()), rel=1e-3)


def test_matching_gives_every_channel_the_original_moments():
    network = with_random_weights(tiny())
    pixels = random_pixels(network.graph, 64)
    image = TINY_SETTINGS.quantizer(pixels)
    original = float_module(network)
    arrays = {
        n.name: (n.layer, network.weights[n.name], network.biases[n.name]) for n in tiny().convs
    }
    module = GraphModule(
        network.graph,
        {
            "first": Int8Convolution(*arrays["first"]),
            "middle": DecomposedConvolution(*arrays["middle"], HALF_DENSE, 3),
            "last": TernaryConvolution(*arrays["last"], HALF_DENSE),
        },
    )
    match_statistics(module, output_moments(original, image, pixels), image, pixels)
    images = image_tensor(image, pixels)
    with torch.no_grad():
        ours, theirs = module(images), original(images)
    torch.testing.assert_close(ours.mean(0), theirs.mean(0), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ours.std(0), theirs.std(0), rtol=1e-3, atol=1e-4)


def test_matching_compares_no_more_images_than_memory_allows(monkeypatch):
    network = with_random_weights(tiny())
    pixels = random_pixels(network.graph, 8)
    image = TINY_SETTINGS.quantizer(pixels)
    monkeypatch.setattr("escalate.train.match.LARGEST_TENSOR", 3 * 6 * 4 * 4)
    found = []
    for part in (pixels, pixels[:3]):
        parts = {
            n.name: Int8Convolution(n.layer, network.weights[n.name], network.biases[n.name])
            for n in network.graph.convs
        }
        module = GraphModule(network.graph, parts)
        wanted = output_moments(float_module(network), image, part)
        match_statistics(module, wanted, image, part)
        found.append(module.convolution("last").bias.detach())
    assert torch.equal(*found)


def test_matching_refuses_a_network_in_floats():
    network = with_random_weights(tiny())
    pixels = random_pixels(network.graph, 4)
    module = float_module(network)
    with pytest.raises(DecompositionError, match="first: the convolution is still in floats"):
        match_statistics(module, {}, TINY_SETTINGS.quantizer(pixels), pixels)


def test_a_convolution_without_module_is_named():
    with pytest.raises(DecompositionError, match="first: the convolution has no module"):
        GraphModule(tiny(), {})
