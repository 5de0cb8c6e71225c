"""Ternary coefficients: which survive, the least-squares scales, and the refitted basis."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalate.errors import DecompositionError
from escalate.ternary.basis import DecomposedLayer
from escalate.ternary.decompose import decompose
from escalate.ternary.scales import fit_scales
from escalate.ternary.survival import thresholds_at, thresholds_for_density
from escalate.ternary.ternary import TernaryLayer, refit, ternarize, ternary_layer

ROUNDING = 1e-9  # relative, float64


def coefficients_of(seed, shape=(6, 5, 4)):
    random = np.random.default_rng(seed)
    return random.normal(size=shape) * random.uniform(0.1, 3, (shape[0], 1, 1))


@given(seed=st.integers(0, 999), density=st.floats(0.01, 1.0))
def test_the_density_is_met_to_the_coefficient(seed, density):
    coefficients = coefficients_of(seed)
    signs = ternarize(coefficients, thresholds_for_density(coefficients, density))
    assert np.count_nonzero(signs) == max(1, round(density * coefficients.size))


@given(seed=st.integers(0, 999), factor=st.floats(0.01, 100))
def test_the_size_of_a_channel_does_not_matter(seed, factor):
    coefficients = coefficients_of(seed)
    scaled = coefficients.copy()
    scaled[2] *= factor
    for rule in (lambda c: thresholds_at(c, 0.3), lambda c: thresholds_for_density(c, 0.4)):
        before, after = (ternarize(c, rule(c)) for c in (coefficients, scaled))
        np.testing.assert_array_equal(before, after)


@given(seed=st.integers(0, 999))
def test_ternarizing_twice_changes_nothing(seed):
    coefficients = coefficients_of(seed)
    signs = ternarize(coefficients, thresholds_at(coefficients, 0.5))
    again = ternarize(signs, thresholds_at(signs, 0.5))
    np.testing.assert_array_equal(signs, again)


@given(seed=st.integers(0, 999), density=st.floats(0.05, 1.0))
def test_the_error_never_rises_and_is_the_stated_one(seed, density):
    coefficients = coefficients_of(seed)
    signs = ternarize(coefficients, thresholds_for_density(coefficients, density))
    fit = fit_scales(coefficients, signs)
    slack = ROUNDING * fit.squared_errors[0]
    for before, after in zip(fit.squared_errors, fit.squared_errors[1:], strict=False):
        assert after <= before + slack
    rebuilt = fit.filter_scales[:, None, None] * fit.basis_scales * signs
    assert ((coefficients - rebuilt) ** 2).sum() == pytest.approx(fit.squared_errors[-1])
    assert (fit.filter_scales >= 0).all()
    assert fit.basis_scales.max() == pytest.approx(1.0)


def test_the_scales_are_a_minimum():
    coefficients = coefficients_of(3)
    signs = ternarize(coefficients, thresholds_for_density(coefficients, 0.5))
    fit = fit_scales(coefficients, signs)

    def error(filters, kernels):
        return ((coefficients - filters[:, None, None] * kernels * signs) ** 2).sum()

    best = error(fit.filter_scales, fit.basis_scales)
    for index in range(6):
        for step in (-1e-3, 1e-3):
            moved = fit.filter_scales.copy()
            moved[index] += step
            assert error(moved, fit.basis_scales) > best
    for index in range(4):
        for step in (-1e-3, 1e-3):
            moved = fit.basis_scales.copy()
            moved[index] += step
            assert error(fit.filter_scales, moved) > best


def test_exact_separable_coefficients_are_found_exactly():
    signs = np.sign(coefficients_of(0)).astype(np.int8)
    filters, kernels = np.arange(1.0, 7.0), np.array([1.0, 0.5, 0.25, 0.125])
    fit = fit_scales(filters[:, None, None] * kernels * signs, signs)
    np.testing.assert_allclose(fit.filter_scales, filters, rtol=1e-4)
    np.testing.assert_allclose(fit.basis_scales, kernels, rtol=1e-4)


def test_a_channel_or_kernel_that_vanished_has_scale_zero():
    coefficients = coefficients_of(1)
    signs = ternarize(coefficients, thresholds_for_density(coefficients, 0.5))
    signs[2], signs[:, :, 1] = 0, 0
    fit = fit_scales(coefficients, signs)
    assert fit.filter_scales[2] == 0
    assert fit.basis_scales[1] == 0
    assert np.isfinite(fit.squared_errors).all()


def test_a_layer_without_survivors_fits_to_nothing():
    fit = fit_scales(coefficients_of(1), np.zeros((6, 5, 4), np.int8))
    assert not fit.filter_scales.any()
    assert fit.squared_errors[-1] == fit.squared_errors[0]


def small_layer(density=0.4, seed=5):
    weights = np.random.default_rng(seed).normal(size=(8, 6, 3, 3)).astype(np.float32)
    exact = decompose("conv2", weights, 5)
    return weights, ternary_layer(exact, thresholds_for_density(exact.coefficients, density))


def test_the_error_splits_into_dropped_energy_and_ternary_error():
    weights, layer = small_layer()
    exact = decompose("conv2", weights, 5)
    dropped = ((weights - exact.reconstruct()) ** 2).sum()
    fit = fit_scales(exact.coefficients, layer.signs)
    assert layer.squared_error(weights) == pytest.approx(dropped + fit.squared_errors[-1], rel=1e-4)


def test_refitting_lowers_the_error_sweep_by_sweep_and_keeps_the_signs():
    weights, layer = small_layer()
    errors = [refit(layer, weights, sweeps).squared_error(weights) for sweeps in (1, 2, 4, 8)]
    assert errors[0] < layer.squared_error(weights)
    slack = 1e-6 * errors[0]  # the layers are stored in float32
    assert all(b <= a + slack for a, b in itertools.pairwise(errors))
    refitted = refit(layer, weights)
    np.testing.assert_array_equal(refitted.signs, layer.signs)
    norms = np.linalg.norm(refitted.basis.reshape(5, -1), axis=1)
    np.testing.assert_allclose(norms, 1.0, rtol=1e-5)


def test_refitting_leaves_an_unused_kernel_in_place_with_scale_zero():
    weights, layer = small_layer()
    signs = layer.signs.copy()
    signs[:, :, 3] = 0
    parts = (layer.filter_scales, layer.basis_scales, layer.basis, layer.thresholds)
    refitted = refit(TernaryLayer("conv2", signs, *parts), weights)
    assert refitted.basis_scales[3] == 0
    np.testing.assert_array_equal(refitted.basis[3], layer.basis[3])


def test_density_of_a_layer():
    assert small_layer(0.25)[1].density == pytest.approx(0.25)


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(DecompositionError, match=r"threshold is .*, wanted a number in \[0, 1\)"):
        thresholds_at(coefficients_of(0), threshold)


@pytest.mark.parametrize("density", [0.0, 1.1, float("nan")])
def test_a_density_out_of_range_is_refused(density):
    with pytest.raises(DecompositionError, match=r"density is .*, wanted a number in \(0, 1\]"):
        thresholds_for_density(coefficients_of(0), density)


def test_arrays_that_disagree_are_refused():
    _, layer = small_layer()
    parts = (layer.filter_scales, layer.basis_scales, layer.basis, layer.thresholds)
    with pytest.raises(DecompositionError, match=r"signs have shape \(7, 6, 5\), wanted \(8, C"):
        TernaryLayer("a", layer.signs[1:].copy(), *parts)
    with pytest.raises(DecompositionError, match="the basis holds 4 kernels, the scales 5"):
        TernaryLayer("a", layer.signs, parts[0], parts[1], layer.basis[1:].copy(), parts[3])


def test_ternary_form_of_a_decomposed_layer_by_hand():
    basis = np.eye(2, dtype=np.float32).reshape(2, 1, 2)
    layer = DecomposedLayer("a", basis, np.array([[[4, 2], [4, 0]]], np.float32))
    ternary = ternary_layer(layer, np.array([1.0]))
    assert ternary.signs.tolist() == [[[1, 1], [1, 0]]]
    np.testing.assert_allclose(ternary.reconstruct(), layer.reconstruct(), rtol=1e-5)


def test_refit_minimizes_the_error_that_importance_weighs():
    """Where one input counts a hundred times, its error falls and that of the others may rise."""
    weights = np.random.default_rng(3).normal(size=(6, 5, 3, 3)).astype(np.float32)
    importance = np.ones((6, 5))
    importance[:, 2] = 100.0
    rough = ternary_layer(decompose("conv1", weights, 3), np.full(6, 0.7))
    plain, weighed = refit(rough, weights), refit(rough, weights, importance=importance)

    def error(layer):
        apart = (weights.astype(np.float64) - layer.reconstruct()) ** 2
        return float((apart.sum(axis=(2, 3)) * importance).sum())

    assert error(weighed) < 0.99 * error(plain)
    assert plain.squared_error(weights) < weighed.squared_error(weights)
