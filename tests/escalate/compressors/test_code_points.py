"""Variational Bayesian quantization: the cheapest of all code points, limits, order, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from escalate.compressors.code_points import choose, code_points, length_bits, quantize
from escalate.compressors.priors import Gaussian, Quantiles
from escalate.errors import DecompositionError


def case(seed, size):
    """Means and deviations of very different sizes."""
    random = np.random.default_rng(seed)
    return random.normal(size=size), np.exp(random.normal(-2, 1.5, size))


def all_points(prior, longest):
    """Values and bits of every code point, plainly."""
    pairs = [(i / 2**n + 1 / 2 ** (n + 1), n) for n in range(longest + 1) for i in range(2**n)]
    return prior.inverse(np.array([xi for xi, _ in pairs])), np.array([n for _, n in pairs])


def prices(mu, sigma, values, bits, penalty):
    return (values - mu) ** 2 / (2 * sigma**2) + penalty * bits


def brute_force(mu, sigma, prior, penalty, longest, passes=1):
    """The least price of each coordinate among all points, and the lengths of the points taken."""
    values, lengths = all_points(prior, longest)
    cost = np.arange(longest + 1.0)
    for _ in range(passes):
        every = prices(mu[:, None], sigma[:, None], values, cost[lengths], penalty)
        taken = lengths[every.argmin(axis=1)]
        before, counts = cost, np.bincount(taken, minlength=longest + 1) + 1
        cost = np.arange(longest + 1) - np.log2(counts / counts.sum())
    return every.min(axis=1), before


@pytest.mark.parametrize("penalty", [1e-3, 0.03, 0.3, 3.0])
@pytest.mark.parametrize("passes", [1, 2])
def test_no_code_point_is_cheaper(penalty, passes):
    mu, sigma = case(1, 4000)
    prior = Gaussian.of(mu)
    found = quantize(mu, sigma, prior, penalty, longest=8, passes=passes)
    least, bits = brute_force(mu, sigma, prior, penalty, 8, passes)
    assert np.abs(prices(mu, sigma, found.values, bits[found.lengths], penalty) - least).max() == 0


def test_code_points_are_the_middles_of_equal_shares():
    values, lengths = all_points(Gaussian(2.0), 4)
    grid = code_points(Gaussian(2.0), 4)
    assert grid.values.tolist() == values.tolist()
    assert grid.lengths(np.arange(31)).tolist() == lengths.tolist()
    np.testing.assert_allclose(
        grid.values[[0, 1, 2, 30]], 2 * ndtri([0.5, 0.25, 0.75, 31 / 32]), atol=1e-6
    )
    assert len(set(values)) == values.size


def test_rate_is_free_at_0_and_all_at_infinity():
    mu, sigma = case(2, 500)
    prior = Quantiles.of(mu, 9)
    every = all_points(prior, 6)[0]
    nearest = np.abs(every - mu[:, None]).min(axis=1)
    free = quantize(mu, sigma, prior, 0.0, longest=6)
    np.testing.assert_array_equal(np.abs(free.values - mu), nearest)
    dear = quantize(mu, sigma, prior, 1e12, longest=6)
    assert not dear.points.any()
    assert not dear.lengths.any()
    np.testing.assert_array_equal(dear.values, prior.inverse(np.array([0.5]))[0])


def test_a_penalty_that_grows_takes_fewer_bits_and_more_distortion():
    mu, sigma = case(3, 2000)
    runs = [quantize(mu, sigma, Gaussian(1.0), p, passes=1) for p in np.logspace(-6, 6, 25)]
    bits = [int(run.lengths.sum()) for run in runs]
    errors = [float(((run.values - mu) ** 2 / sigma**2).sum()) for run in runs]
    assert bits == sorted(bits, reverse=True)
    assert bits[0] > bits[12] > bits[-1] == 0
    assert errors == sorted(errors)


@given(
    seed=st.integers(0, 999),
    longest=st.integers(0, 6),
    penalty=st.sampled_from((0.0, 1e-9, 0.01, 0.7, 5.0, 1e6)),
    passes=st.integers(1, 3),
    knots=st.lists(st.integers(-3, 3), min_size=2, max_size=7).filter(lambda k: min(k) < max(k)),
    spread=st.sampled_from((1e-3, 1.0, 1e3)),
)
def test_any_prior_any_means(seed, longest, penalty, passes, knots, spread):
    """Priors with equal quantiles, means on code points, between them and far outside."""
    random = np.random.default_rng(seed)
    prior = Quantiles(np.sort(knots).astype(float))
    values, lengths = all_points(prior, longest)
    if longest and values.min() == values.max():
        return  # refused: no width
    mu = random.choice(values, 40) + random.choice([0.0, spread], 40) * random.normal(size=40)
    sigma = random.exponential(size=40) + 1e-3
    found = quantize(mu, sigma, prior, penalty, longest, passes)
    np.testing.assert_array_equal(found.values, values[found.points])
    np.testing.assert_array_equal(found.lengths, lengths[found.points])
    if passes == 1:
        least = brute_force(mu, sigma, prior, penalty, longest)[0]
        ours = prices(mu, sigma, found.values, found.lengths, penalty)
        np.testing.assert_allclose(ours, least, rtol=1e-12)


@given(seed=st.integers(0, 99), penalty=st.floats(0, 3))
def test_a_coordinate_depends_on_the_others_by_their_lengths_only(seed, penalty):
    mu, sigma = case(seed, 200)
    order = np.random.default_rng(seed).permutation(200)
    found = quantize(mu, sigma, Gaussian(1.0), penalty)
    moved = quantize(mu[order], sigma[order], Gaussian(1.0), penalty)
    np.testing.assert_array_equal(found.points[order], moved.points)
    mirrored = quantize(-mu, sigma, Gaussian(1.0), penalty)
    np.testing.assert_array_equal(mirrored.values, -found.values)


def test_of_equals_the_shortest_then_the_lowest():
    grid = code_points(Quantiles(np.array([0.0, 8.0])), 2)  # 4; 2, 6; 1, 3, 5, 7
    mu = np.array([4.0, 3.5, 5.5, 2.5, 0.0, 9.0])
    found = choose(mu, 1.0, grid, 0.0)
    assert found.values.tolist() == [4.0, 4.0, 6.0, 2.0, 1.0, 7.0]
    one = choose(np.array([4.0]), 1.0, code_points(Quantiles(np.array([0, 8.0])), 1), 0.0)
    assert one.values.tolist() == [4.0]
    level = choose(np.array([4.0]), 1e-3, code_points(Quantiles(np.array([3.0, 3, 5, 5])), 1), 0.0)
    assert level.values.tolist() == [4.0]


def test_more_uncertainty_never_takes_more_bits():
    sigma = np.logspace(-8, 2, 200)
    lengths = quantize(np.full(200, 0.8), sigma, Gaussian(1.0), 0.1, passes=1).lengths
    assert (np.diff(lengths) <= 0).all()
    assert lengths[0] >= 9
    assert lengths[-1] == 0


def test_what_it_keeps_of_its_input():
    mu, sigma = case(4, 40_000)  # more than one block
    found = quantize(mu.reshape(4, -1), sigma.reshape(4, -1), Gaussian(1.0), 0.1)
    assert found.points.shape == found.values.shape == found.lengths.shape == (4, 10_000)
    flat = quantize(mu, sigma, Gaussian(1.0), 0.1)
    np.testing.assert_array_equal(found.points.ravel(), flat.points)
    empty = quantize(np.zeros((0, 3)), np.zeros((0, 3)), Gaussian(1.0), 0.1)
    assert empty.values.shape == (0, 3)
    same = quantize(mu, 0.5, Gaussian(1.0), 0.1)
    np.testing.assert_array_equal(
        same.points, quantize(mu, np.full(mu.shape, 0.5), Gaussian(1.0), 0.1).points
    )


def test_the_second_pass_prefers_lengths_that_are_frequent():
    mu, sigma = case(5, 5000)
    one = quantize(mu, sigma, Gaussian(1.0), 0.3, passes=1)
    two = quantize(mu, sigma, Gaussian(1.0), 0.3, passes=2)
    bits = length_bits(one.lengths, 10)

    def price(found):
        return prices(mu, sigma, found.values, bits[found.lengths], 0.3).sum()

    assert price(two) < price(one)


class Odd:
    """A prior with these quantiles for one bit."""

    def __init__(self, *values):
        self.values = np.array(values)

    def inverse(self, shares):
        return self.values


ONES = np.ones(3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigma": np.array([1.0, 0.0, 1.0])}, r"deviations: one is 0\.0, wanted finite and above"),
        ({"sigma": -ONES}, r"deviations: one is -1\.0"),
        ({"sigma": np.nan}, "deviations: one is nan"),
        ({"sigma": np.inf * ONES}, "deviations: one is inf"),
        ({"sigma": np.ones(2)}, r"deviations: are \(2,\), wanted one, or the means' shape \(3,\)"),
        ({"sigma": np.ones((1, 3))}, r"deviations: are \(1, 3\)"),
        ({"sigma": 1e-200}, r"deviations: one is 1e-200, too small for means up to"),
        ({"mu": np.array([1.0, np.nan, 0.0])}, "means: one is not finite"),
        ({"penalty": -0.1}, r"penalty: lambda is -0\.1, wanted finite and >= 0"),
        ({"penalty": np.inf}, "penalty: lambda is inf"),
        ({"passes": 0}, "passes: 0, wanted 1 or more"),
        ({"longest": -1}, r"longest is -1 bits, wanted 0\.\.15"),
        ({"longest": 16}, "longest is 16 bits"),
        ({"prior": Quantiles(2 * ONES)}, r"prior: has no width, all its quantiles are 2\.0"),
        ({"prior": Odd(0.0, 1.0, -1.0), "longest": 1}, "prior: quantiles fall"),
        ({"prior": Odd(0.0, np.nan, 1.0), "longest": 1}, "quantiles fall or are not finite"),
    ],
)
def test_what_cannot_be_quantized_is_refused(change, message):
    arguments = {"mu": ONES, "sigma": ONES, "prior": Gaussian(1.0), "penalty": 0.1, **change}
    with pytest.raises(DecompositionError, match=message):
        quantize(**arguments)
