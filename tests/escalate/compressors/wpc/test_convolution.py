"""Ternary groups: the clipped penalty and its gradient, groups gone when all zero, budgets."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from escalate.compressors.wpc.convolution import GroupedConvolution, clipped_sum, group_norms
from escalate.errors import DecompositionError
from escalate.integers.integer import predict
from escalate.recipe.compression import byte_budget, compress
from escalate.recipe.options import compress_options
from escalate.store import model_file
from tests.escalate.small_networks import (
    SETTINGS,
    TINY_SETTINGS,
    bright_corner,
    every_operator,
    random_pixels,
    tiny,
    with_random_weights,
)
from workloads.convolve import convolve
from workloads.execute import execute, quantize_images
from workloads.layer import ConvLayer

PIXELS, LABELS = bright_corner(192)
GROUP = (2, 1)


def options(**fields):
    return compress_options(method="wpc", **{"group": GROUP, "remove": False, **fields})


def made(**fields):
    network = with_random_weights(tiny(), seed=4)
    fields = {"epochs": 0, "batch": 32, "distillation": 0.0, **fields}
    return network, compress(network, options(**fields), PIXELS, LABELS, TINY_SETTINGS)


def grouped(layer, weights, group=(2, 1), **fields):
    fields = {"penalty": 1e-3, "clip": 0.25, **fields}
    bias = np.zeros(layer.K, np.float32)
    return GroupedConvolution(layer, weights.astype(np.float32), bias, group, **fields)


# Norms, penalty, gradient.


@given(
    seed=st.integers(0, 99),
    shape=st.sampled_from([(4, 6, 3, 3), (6, 4, 1, 1), (2, 2, 2, 5)]),
    group=st.sampled_from([(2, 1), (1, 2), (2, 2), (1, 1)]),
)
def test_norms_are_those_of_plain_slices(seed, shape, group):
    weights = np.random.default_rng(seed).normal(size=shape)
    channels, filters = group
    wanted = [
        [
            np.linalg.norm(weights[k : k + filters, c : c + channels])
            for c in range(0, shape[1], channels)
        ]
        for k in range(0, shape[0], filters)
    ]
    found = group_norms(torch.tensor(weights), group)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-9)


def sixty_four():
    """64 groups of nine, of which 44 have a norm above 0.7 of the mean."""
    random = torch.Generator().manual_seed(0)
    weights = torch.randn(64, 9, generator=random, dtype=torch.float64)
    norms = torch.cat([torch.linspace(0.05, 0.3, 20), torch.linspace(0.9, 1.1, 44)])
    weights = weights / weights.norm(dim=1, keepdim=True) * norms[:, None].double()
    clipped = int((norms > 0.7 * norms.mean()).sum())
    assert clipped == 44
    return weights.requires_grad_(), norms > 0.7 * norms.mean(), clipped


@pytest.mark.parametrize("detached", [True, False])
def test_above_the_limit_only_the_mean_pulls_and_not_where_it_is_detached(detached):
    weights, above, clipped = sixty_four()
    clipped_sum(weights.norm(dim=1), 0.7, detached=detached).backward()
    pull = weights.grad.norm(dim=1).numpy()
    extra = 0.0 if detached else 0.7 * clipped / 64
    np.testing.assert_allclose(pull[above.numpy()], extra, atol=1e-9)
    np.testing.assert_allclose(pull[~above.numpy()], 1 + extra, rtol=1e-6)
    if not detached:
        assert extra == pytest.approx(0.48125)


def test_the_sum_is_that_of_the_smaller_of_norm_and_limit():
    norms = torch.tensor([0.0, 1.0, 2.0, 5.0])
    assert float(clipped_sum(norms, 0.5)) == pytest.approx(0 + 1 + 1 + 1)
    assert float(clipped_sum(norms, 10.0)) == pytest.approx(8)


def test_a_group_of_zeros_has_a_finite_gradient():
    weights = torch.zeros(2, 2, 3, 3, requires_grad=True)
    clipped_sum(group_norms(weights, (2, 1)), 0.5, detached=False).backward()
    assert torch.isfinite(weights.grad).all()


LAYER = ConvLayer("a", C=4, K=6, H=5, W=5, R=3, S=3)


def test_the_ternary_values_are_those_of_the_threshold_and_the_mean():
    weights = np.random.default_rng(1).normal(size=LAYER.weight_shape)
    found = grouped(LAYER, weights)
    latent = found.latent.detach().numpy()
    least = np.float32(0.05) * np.abs(latent).max()
    signs = np.where(np.abs(latent) >= least, np.sign(latent), 0)
    alpha = np.abs(latent)[np.abs(latent) >= least].mean()
    gains = found.gains.detach().numpy()[:, None, None, None]
    np.testing.assert_array_equal(found.integers().weights.weights, signs)
    np.testing.assert_allclose(found.weight().detach().numpy(), signs * alpha * gains, rtol=1e-5)
    np.testing.assert_allclose(latent * gains, weights, rtol=1e-4)


def test_gradients_pass_to_latents_inside_the_edge_and_to_gains():
    weights = np.random.default_rng(1).normal(size=LAYER.weight_shape)
    found = grouped(LAYER, weights)
    with torch.no_grad():
        found.latent[0, 0, 0, 0] = 1.5
    found.signs().sum().backward()
    wanted = torch.ones(LAYER.weight_shape)
    wanted[0, 0, 0, 0] = 0
    assert torch.equal(found.latent.grad, wanted)
    found.weight().sum().backward()
    assert (found.gains.grad != 0).any()


def test_a_channel_that_is_small_counts_less():
    weights = np.random.default_rng(2).normal(size=LAYER.weight_shape)
    weights[3] /= 100
    norms = grouped(LAYER, weights).norms().detach().numpy()
    assert norms[3].max() < norms[[0, 1, 2, 4, 5]].min() / 20
    assert grouped(LAYER, weights).integers().weights.weights[3].any()  # it is no smaller in signs


# Training.


def test_the_penalty_empties_whole_groups_without_a_mask():
    network = with_random_weights(tiny(), seed=4)
    node = network.graph["middle"]
    training = {"epochs": 6, "batch": 16, "distillation": 0.0, "seed": 1}
    sizes = {}
    for penalty in (0.0, 0.3):
        model = compress(
            network,
            options(penalty=penalty, clip=0.95, learning_rate=0.05, **training),
            PIXELS,
            LABELS,
            TINY_SETTINGS,
        )
        codes = model.convs["middle"].weights.weights
        assert set(np.unique(codes)) <= {-1, 0, 1}
        blocks = np.abs(codes).reshape(node.layer.K, -1, GROUP[0] * 9).sum(axis=2)
        sizes[penalty] = int((blocks > 0).sum()), model_file.packed_size(model)
    assert sizes[0.0][0] == 8 * 3
    assert sizes[0.3][0] < 8 * 3
    assert sizes[0.3][1] < sizes[0.0][1]


def test_a_retraining_that_is_killed_ends_with_the_same_bytes(tmp_path):
    network = with_random_weights(tiny(), seed=4)
    chosen = options(epochs=3, batch=32, distillation=0.0, ratio=3.0)

    class Killed(Exception):
        pass

    def kill(report):
        if report.epoch == 2:
            raise Killed

    def run(progress=None):
        return compress(
            network,
            chosen,
            PIXELS,
            LABELS,
            TINY_SETTINGS,
            checkpoint=tmp_path / "state",
            progress=progress,
        )

    whole = run()
    (tmp_path / "state").unlink()
    with pytest.raises(Killed):
        run(kill)
    resumed = run()
    for name, layer in whole.weights.items():
        np.testing.assert_array_equal(layer.weights, resumed.convs[name].weights.weights)
    assert model_file.packed_size(resumed) == model_file.packed_size(whole)


def test_a_budget_drops_the_weakest_groups_whole():
    network, full = made()
    size = model_file.packed_size(full)
    ratio = 4 * network.original_parameters / (size - 20)
    for epochs in (0, 2):
        _, model = made(ratio=ratio, epochs=epochs)
        assert model_file.packed_size(model) <= byte_budget(network, ratio)
        blocks = (
            np.abs(model.convs["middle"].weights.weights).reshape(8, -1, GROUP[0] * 9).sum(axis=2)
        )
        assert (blocks == 0).any()


def test_a_budget_that_cannot_be_met_is_refused():
    with pytest.raises(DecompositionError, match=r"budget: the model .* takes \d+ bytes, wanted"):
        made(ratio=50.0)


def test_read_back_exactly_and_counted_to_the_byte(tmp_path):
    _, model = made()
    model_file.save(model, tmp_path)
    found = model_file.load(tmp_path)
    for name, layer in model.weights.items():
        np.testing.assert_array_equal(found.convs[name].weights.weights, layer.weights, strict=True)
    assert model_file.bytes_on_disk(tmp_path) == model_file.packed_size(model)
    np.testing.assert_array_equal(predict(found, PIXELS), predict(model, PIXELS))
    assert json.loads(json.dumps(found.provenance))["method"] == "wpc"


def test_logits_are_those_of_plain_integer_convolutions():
    _, model = made()
    logits = execute(model, quantize_images(model.image, PIXELS), convolve)["last"]
    np.testing.assert_array_equal(predict(model, PIXELS), logits.reshape(len(PIXELS), -1))


def test_every_operator_goes_through():
    start = with_random_weights(every_operator())
    pixels = random_pixels(start.graph, 24)
    model = compress(start, options(group=(1, 1), epochs=0), pixels, None, SETTINGS)
    assert predict(model, pixels).shape == (24, 5)


# Bad input.


def test_groups_that_do_not_divide_are_refused():
    with pytest.raises(DecompositionError, match="middle: groups of 4 input channels do not div"):
        made(group=(4, 1))
    with pytest.raises(DecompositionError, match="middle: groups of 3 filters do not divide its 8"):
        made(group=(2, 3))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"group": (0, 1)}, "group"),
        ({"clip": 0.0}, "clip"),
        ({"penalty": -1.0}, "penalty"),
        ({"density": 0.5}, "density has no meaning for method wpc"),
        ({"clusters": 4}, "clusters has no meaning for method wpc"),
    ],
)
def test_options_out_of_range_or_without_meaning_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        options(**fields)


def test_other_methods_refuse_what_is_of_groups():
    for name, value in (("group", (2, 1)), ("penalty", 0.1), ("clip", 0.5), ("detached", False)):
        with pytest.raises(ValueError, match=f"{name} has no meaning for method prune"):
            compress_options(method="prune", **{name: value})
