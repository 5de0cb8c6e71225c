"""Quantile functions: what they are of, the same digits everywhere, what is none is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from escalate.compressors.priors import NORMAL_STEP, Gaussian, Quantiles
from escalate.errors import DecompositionError

SLACK = 1e-13  # far above what two libraries' normal quantiles differ by, a few 1e-16


def test_the_normal_distribution():
    shares = np.linspace(0.001, 0.999, 999)
    found = Gaussian(3.0).inverse(shares)
    np.testing.assert_allclose(ndtr(found / 3), shares, atol=NORMAL_STEP)
    assert (np.diff(found) > 0).all()
    assert Gaussian(3.0).inverse(np.array([0.5])).tolist() == [0.0]


def test_no_normal_quantile_depends_on_a_last_digit():
    exact = ndtri(np.arange(1, 1 << 16) / (1 << 16))
    for off in (-SLACK, SLACK):
        np.testing.assert_array_equal(
            np.rint((exact + off) / NORMAL_STEP), np.rint(exact / NORMAL_STEP)
        )


def test_the_root_mean_square_of_values_of_any_size():
    values = np.array([1.0, -2.0, 2.0])
    for factor in (1.0, 1e-300, 1e300):
        assert Gaussian.of(factor * values).deviation == pytest.approx(factor * np.sqrt(3))


@given(seed=st.integers(0, 999), count=st.integers(2, 40))
def test_quantiles_are_those_of_the_values(seed, count):
    values = np.random.default_rng(seed).normal(size=200)
    prior = Quantiles.of(values, count)
    knots = np.arange(1, count - 1) / (count - 1)
    np.testing.assert_allclose(prior.inverse(knots), np.quantile(values, knots), rtol=1e-6)
    shares = np.linspace(0.001, 0.999, 99)
    wanted = np.interp(shares, np.linspace(0, 1, count), prior.knots)
    np.testing.assert_allclose(prior.inverse(shares), wanted, rtol=1e-12, atol=1e-12)
    assert (np.diff(prior.inverse(shares)) >= 0).all()


@pytest.mark.parametrize("deviation", [0.0, -1.0, np.nan, np.inf])
def test_deviations_that_are_none(deviation):
    with pytest.raises(DecompositionError, match=f"prior: deviation is {deviation}, wanted finite"):
        Gaussian(deviation)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(0), "no values"),
        (np.zeros(3), r"values up to 0\.0, wanted"),
        (np.array([np.nan]), "values up to nan, wanted finite"),
        (np.array([1, np.inf]), "values up to inf, wanted finite"),
    ],
)
def test_values_without_a_deviation(values, message):
    with pytest.raises(DecompositionError, match=message):
        Gaussian.of(values)


@pytest.mark.parametrize(
    ("knots", "message"),
    [
        (np.ones(1), r"knots of shape \(1,\)"),
        (np.ones((2, 2)), r"knots of shape \(2, 2\)"),
        (np.array([0, np.nan]), "finite"),
        (np.array([0.0, 2.0, 1.0]), "knot 2 is below the one before"),
    ],
)
def test_knots_that_are_none(knots, message):
    with pytest.raises(DecompositionError, match=message):
        Quantiles(knots)
    with pytest.raises(DecompositionError, match="no values"):
        Quantiles.of(np.zeros(0), 5)
