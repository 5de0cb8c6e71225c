"""Scales of every granularity: closed forms are minima, integers the weights, gradients hold."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from escalate.errors import DecompositionError
from escalate.ternary.decompose import decompose
from escalate.ternary.scales import MOST_SCALE
from escalate.ternary.survival import Survival, thresholds_for_density
from escalate.ternary.ternary import refit, ternarize, ternary_layer
from escalate.train.convolutions import DecomposedConvolution, TernaryConvolution
from escalate.train.granularity import granularities
from escalate.train.granularity import granularity as granularity_of
from escalate.train.straight_through import two_sided
from workloads.layer import ConvLayer

GRANULARITIES = granularities()
LAYER = ConvLayer("a", C=8, K=6, H=7, W=6, R=3, S=3, padding=(1, 1, 1, 1), groups=2)
POINT = ConvLayer("p", C=8, K=5, H=3, W=3)
HALF_DENSE = Survival(density=0.5)
STEP = 1e-4


def random_case(seed, shape=(6, 5, 4), density=0.5):
    random = np.random.default_rng(seed)
    coefficients = random.normal(size=shape) * random.uniform(0.2, 3, (shape[0], 1, 1))
    coefficients += 0.3 * np.abs(coefficients)  # positive ones are larger, so that p and n differ
    signs = ternarize(coefficients, thresholds_for_density(coefficients, density))
    return coefficients, signs, random.uniform(0.1, 4, shape[:2])


def error_of(fit, coefficients, signs, importance):
    return float((importance[:, :, None] * (coefficients - fit.scaled(signs)) ** 2).sum())


@given(
    seed=st.integers(0, 999),
    granularity=st.sampled_from(GRANULARITIES),
    weighted=st.booleans(),
    density=st.floats(0.05, 1.0),
)
def test_the_error_falls_and_is_the_stated_one(seed, granularity, weighted, density):
    coefficients, signs, importance = random_case(seed, density=density)
    importance = importance if weighted else np.ones_like(importance)
    fit = granularity_of(granularity).fit(coefficients, signs, importance if weighted else None)
    slack = 1e-9 * fit.squared_errors[0]
    for before, after in itertools.pairwise(fit.squared_errors):
        assert after <= before + slack
    assert error_of(fit, coefficients, signs, importance) == pytest.approx(
        fit.squared_errors[-1], abs=slack
    )


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("seed", range(3))
def test_no_single_scale_can_be_moved_for_the_better(granularity, seed):
    coefficients, signs, importance = random_case(seed)
    fit = granularity_of(granularity).fit(coefficients, signs, importance)
    best = error_of(fit, coefficients, signs, importance)
    shared = granularity_of(granularity).common
    moves = []
    for factor in (1 - 1e-3, 1 + 1e-3):
        if fit.pair_scales is not None:
            for k, m in np.ndindex(*fit.pair_scales.shape):
                moves.append(("pair_scales", (k, m), factor))
            continue
        for k in [slice(None)] if shared else range(len(fit.filter_scales)):
            moves.append(("filter_scales", k, factor))
        if granularity_of(granularity).basis:
            moves += [("basis_scales", m, factor) for m in range(len(fit.basis_scales))]
    for field, place, factor in moves:
        array = getattr(fit, field).copy()
        array[place] *= factor
        moved = fit.__class__(
            **{
                name: array if name == field else getattr(fit, name)
                for name in fit.__dataclass_fields__
            }
        )
        assert error_of(moved, coefficients, signs, importance) >= best * (1 - 1e-7)


def test_the_two_sides_are_a_minimum():
    coefficients, signs, importance = random_case(7)
    fit = granularity_of("two_sided").fit(coefficients, signs, importance)
    assert max(fit.sides) == 1.0
    assert fit.sides[0] != fit.sides[1]
    best = error_of(fit, coefficients, signs, importance)
    for side, factor in itertools.product((0, 1), (1 - 1e-3, 1 + 1e-3)):
        sides = list(fit.sides)
        sides[side] *= factor
        moved = fit.__class__(
            fit.filter_scales, fit.basis_scales, None, tuple(sides), fit.squared_errors
        )
        assert error_of(moved, coefficients, signs, importance) >= best * (1 - 1e-7)


def test_more_scales_never_do_worse():
    for seed in range(20):
        coefficients, signs, importance = random_case(seed)
        errors = {
            name: granularity_of(name).fit(coefficients, signs, importance).squared_errors[-1]
            for name in GRANULARITIES
        }
        room = 1 + 1e-7
        assert errors["basis"] <= errors["layer"] * room
        assert errors["separable"] <= errors["basis"] * room
        assert errors["separable"] <= errors["filter"] * room
        assert errors["filter_basis"] <= errors["separable"] * room
        assert errors["two_sided"] <= errors["separable"] * room


def test_importance_of_one_changes_nothing_and_dead_inputs_do_not_count():
    coefficients, signs, _ = random_case(3)
    plain = granularity_of("separable").fit(coefficients, signs)
    ones = granularity_of("separable").fit(coefficients, signs, np.ones(signs.shape[:2]))
    np.testing.assert_array_equal(plain.filter_scales, ones.filter_scales)
    dead = np.ones(signs.shape[:2])
    dead[:, 2] = 0.0
    without = granularity_of("separable").fit(np.delete(coefficients, 2, 1), np.delete(signs, 2, 1))
    found = granularity_of("separable").fit(coefficients, signs, dead)
    np.testing.assert_allclose(found.filter_scales, without.filter_scales, rtol=1e-6)


def test_an_unknown_granularity_is_refused():
    with pytest.raises(DecompositionError, match=r"granularity 'row', wanted one of .*separable"):
        granularity_of("row").fit(np.ones((1, 1, 1)), np.ones((1, 1, 1), np.int8))


def test_a_weighted_decomposition_is_the_best_under_its_weights():
    random = np.random.default_rng(0)
    weights = random.normal(size=(6, 5, 3, 3)).astype(np.float32)
    importance = random.uniform(0, 9, (6, 5))

    def lost(layer):
        return float((importance[:, :, None, None] * (weights - layer.reconstruct()) ** 2).sum())

    scaled = weights.reshape(30, 9) * np.sqrt(importance).reshape(30, 1)
    dropped = (np.linalg.svd(scaled, compute_uv=False) ** 2)[4:].sum()
    weighted = decompose("a", weights, 4, importance)
    assert lost(weighted) == pytest.approx(dropped, rel=1e-5)
    assert lost(weighted) < lost(decompose("a", weights, 4))


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_a_refit_lowers_the_weighted_error(granularity):
    random = np.random.default_rng(1)
    weights = random.normal(size=(8, 4, 3, 3)).astype(np.float32)
    h = random.uniform(0.1, 5, (8, 4))
    exact = decompose("a", weights, 4, h)
    rough = ternary_layer(exact, np.full(8, 0.8), granularity_of(granularity).fit, h)

    def lost(layer):
        return float((h[:, :, None, None] * (weights - layer.reconstruct()) ** 2).sum())

    better = refit(rough, weights, importance=h, shared=granularity_of(granularity).common)
    assert lost(better) < lost(rough)
    assert lost(refit(better, weights, importance=h)) <= lost(better) * (1 + 1e-6)


def module_of(granularity, layer=LAYER, importance=None, seed=0):
    random = np.random.default_rng(seed)
    weights = random.normal(size=layer.weight_shape).astype(np.float32)
    bias = np.zeros(layer.K, np.float32)
    kind = DecomposedConvolution if layer.R > 1 else TernaryConvolution
    size = 4 if layer.R > 1 else 1
    return kind(
        layer, weights, bias, HALF_DENSE, size, granularity=granularity, importance=importance
    )


@pytest.mark.parametrize("layer", [LAYER, POINT])
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_the_integers_are_the_weights(granularity, layer):
    module = module_of(granularity, layer)
    module.scale_channels(torch.linspace(0.5, 2.0, layer.K))
    integers = module.integers()
    rebuilt = integers.weights.dense() * integers.scales[:, None, None, None]
    np.testing.assert_allclose(module.weight().detach().numpy(), rebuilt, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(module.steps().numpy(), integers.scales, rtol=1e-5)
    stored = integers.weights
    if granularity == "filter_basis":
        assert stored.alpha.dtype == np.uint8
        assert stored.alpha.min() >= 1
        assert stored.alpha.max() == MOST_SCALE
    if granularity == "two_sided":
        assert max(stored.two_sided) == MOST_SCALE


@pytest.mark.parametrize("layer", [LAYER, POINT])
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_gradients_of_all_scales_are_finite_differences(granularity, layer):
    """On a loss linear in the weights; rounding is passed straight through, so undone first."""
    module = module_of(granularity, layer).double()
    generator = torch.Generator().manual_seed(1)
    slope = torch.randn(layer.weight_shape, generator=generator).double()
    (module.weight() * slope).sum().backward()
    signs = module.signs().detach()

    def smooth(values):
        scaled = signs
        if granularity == "filter_basis":
            scaled = signs * values["pair_scales"][:, None, :]
        if granularity == "two_sided":
            sides = torch.where(signs > 0, values["positive"], values["negative"])
            scaled = signs * sides
        a = module.gains * values["filter_scales"]
        mixed = scaled * a[:, None, None]
        if layer.R == 1:
            return mixed[..., None]
        return torch.tensordot(mixed, values["kernels"], dims=1)

    values = {name: p.detach().clone() for name, p in module.named_parameters()}
    with torch.no_grad():
        if layer.R > 1:
            values["kernels"] = module.kernels()
        if granularity == "filter_basis":
            values["pair_scales"] = module.granularity.pairs(module)
        if granularity == "two_sided":
            step = module.granularity.step(module)
            for name in ("positive", "negative"):
                values[name] = torch.round(values[name] / step) * step
    names = {"layer": [], "filter_basis": ["pair_scales"], "two_sided": ["positive", "negative"]}
    for name in ["filter_scales", *names.get(granularity, [])]:
        analytic = getattr(module, name).grad.flatten()
        for index in range(analytic.numel()):
            ends = []
            for direction in (STEP, -STEP):
                moved = {n: v.clone() for n, v in values.items()}
                moved[name].view(-1)[index] += direction
                ends.append(float((smooth(moved) * slope).sum()))
            numeric = (ends[0] - ends[1]) / (2 * STEP)
            assert float(analytic[index]) == pytest.approx(numeric, rel=1e-6, abs=1e-8), name


def test_the_gradients_of_ttq_are_the_stated_ones():
    latent = torch.tensor([0.9, 0.1, -0.2, -0.8], requires_grad=True)
    p, n = (torch.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    slope = torch.tensor([1.0, 10.0, 100.0, 1000.0])
    found = two_sided(latent, torch.tensor(0.5), p, n)
    assert found.tolist() == [2.0, 0.0, 0.0, -3.0]
    (found * slope).sum().backward()
    assert latent.grad.tolist() == [2.0, 10.0, 100.0, 3000.0]
    assert (p.grad.item(), n.grad.item()) == (1.0, -1000.0)


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_importance_moves_coefficients_to_the_inputs_that_count(granularity):
    importance = np.array([100.0, 1.0, 1.0, 0.0, 100.0, 1.0, 1.0, 0.0])
    module = module_of(granularity, LAYER, importance)
    density = module.signs().detach().abs().mean(dim=(0, 2))  # by channel within its group
    assert density[0] > density[1]
    assert density[3] == 0
    plain = module_of(granularity, LAYER)
    assert plain.signs().detach().abs().mean(dim=(0, 2))[3] > 0


@pytest.mark.parametrize("importance", [None, np.linspace(0.1, 3, 8)])
def test_an_eased_rule_keeps_more_and_ends_at_the_rule(importance):
    module = module_of("separable", LAYER, importance)
    kept = []
    for ease in (1.0, 0.5, 0.0):
        module.update_thresholds(ease)
        kept.append(float(module.signs().detach().abs().mean()))
    assert kept[0] == 1.0
    assert kept[0] > kept[1] > kept[2] == pytest.approx(0.5, abs=0.01)
