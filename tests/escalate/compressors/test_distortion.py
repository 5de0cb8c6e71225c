"""Weighted pruning and k-means: equal to plain searches, stationary, plain where costs are even."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalate.compressors.distortion import Clusters, Cost, centres, cluster, survivors
from escalate.errors import DecompositionError


def case(seed, size=60, fourth=False):
    random = np.random.default_rng(seed)
    weights = random.normal(size=size)
    square = random.exponential(size=size) ** 2
    return weights, Cost(square, 50 * random.exponential(size=size) * fourth)


def even(weights):
    return Cost(np.ones(weights.shape), np.zeros(weights.shape))


@given(seed=st.integers(0, 999), share=st.floats(0.05, 1), fourth=st.booleans())
def test_what_is_dropped_costs_least(seed, share, fourth):
    weights, cost = case(seed, fourth=fourth)
    mask = survivors(weights, cost, share)
    assert mask.sum() == max(1, round(share * weights.size))
    lost = cost.square * weights**2 + cost.fourth / 4 * weights**4
    if not mask.all():
        assert lost[mask].min() >= lost[~mask].max()


@given(seed=st.integers(0, 999), count=st.integers(1, 9), fourth=st.booleans())
def test_every_weight_takes_the_value_that_costs_least(seed, count, fourth):
    weights, cost = case(seed, fourth=fourth)
    found = cluster(weights, cost, count)
    moves = found.values[None, :] - weights[:, None]
    prices = cost.square[:, None] * moves**2 + cost.fourth[:, None] / 4 * moves**4
    taken = prices[np.arange(weights.size), found.labels]
    np.testing.assert_allclose(taken, prices.min(axis=1), rtol=1e-9, atol=1e-12)


@given(seed=st.integers(0, 999), fourth=st.booleans())
def test_a_value_costs_its_weights_least(seed, fourth):
    weights, cost = case(seed, fourth=fourth)
    (value,) = cluster(weights, cost, 1).values
    price = cost(value - weights).sum()
    grid = np.linspace(weights.min(), weights.max(), 2001)
    assert price <= min(cost(each - weights).sum() for each in grid) * (1 + 1e-9)
    slope = 2 * cost.square * (value - weights) + cost.fourth * (value - weights) ** 3
    assert abs(slope.sum()) < 1e-8 * np.abs(slope).sum()


@given(seed=st.integers(0, 999), count=st.integers(2, 9))
def test_the_first_golden_rule(seed, count):
    """what' I (w - what) = 0: always for pruning, for clusters with their weighted means."""
    weights, cost = case(seed)
    pruned = weights * survivors(weights, cost, 0.4)
    assert (pruned * cost.square * (weights - pruned)).sum() == 0
    found = cluster(weights, cost, count).weights
    parts = found * cost.square * (weights - found)
    assert abs(parts.sum()) <= 1e-10 * max(np.abs(parts).sum(), 1e-300)


@given(seed=st.integers(0, 999), count=st.integers(1, 9), factor=st.sampled_from((1e-6, 1.0, 7.0)))
def test_even_costs_are_magnitude_pruning_and_plain_k_means(seed, count, factor):
    weights, _ = case(seed)
    cost = Cost(np.full(weights.shape, factor), np.zeros(weights.shape))
    order = np.argsort(-np.abs(weights))
    assert set(np.flatnonzero(survivors(weights, cost, 0.3))) == set(order[:18])
    values = np.unique(
        np.quantile(weights, (np.arange(count) + 0.5) / count, method="inverted_cdf")
    )
    for _ in range(100):
        labels = np.abs(weights[:, None] - values).argmin(axis=1)
        values = np.array([weights[labels == place].mean() for place in range(values.size)])
    np.testing.assert_allclose(cluster(weights, cost, count).values, values, rtol=1e-12)


@given(seed=st.integers(0, 999), fourth=st.booleans())
def test_more_rounds_never_cost_more_and_more_values_cost_less(seed, fourth):
    weights, cost = case(seed, size=200, fourth=fourth)
    prices = [cost(cluster(weights, cost, k).weights - weights).sum() for k in (1, 2, 8, 32, 200)]
    assert prices[0] >= prices[1] >= prices[2] >= prices[3] >= prices[4]
    assert prices[4] < 1e-20


def test_weights_that_cost_nothing_get_their_plain_mean_and_equals_one_value():
    weights = np.array([1.0, 2.0, 6.0])
    nothing = Cost(np.zeros(3), np.zeros(3))
    assert cluster(weights, nothing, 1).values.tolist() == [3.0]
    assert cluster(np.full(9, 0.5), even(np.ones(9)), 4).values.tolist() == [0.5]


def test_a_cluster_without_weights_keeps_its_value():
    weights = np.array([1.0, 2.0])
    found = centres(weights, np.array([0, 0]), np.ones(2), np.zeros(2), np.array([1.0, 9.0]))
    assert found.tolist() == [1.5, 9.0]
    found = centres(weights, np.array([0, 0]), np.ones(2), np.ones(2), np.array([1.0, 9.0]))
    assert found.tolist() == [1.5, 9.0]


def test_a_cluster_that_only_the_fourth_power_prices():
    weights = np.array([0.0, 0.0, 3.0])
    found = cluster(weights, Cost(np.zeros(3), np.array([1.0, 0.0, 8.0])), 1).values
    np.testing.assert_allclose(found, 2.0, rtol=1e-6)  # c^3 = 8 (3 - c)^3


def test_the_shape_stays():
    weights = np.arange(24.0).reshape(2, 3, 4)
    found = cluster(weights, even(weights), 4)
    assert isinstance(found, Clusters)
    assert found.weights.shape == survivors(weights, even(weights), 0.5).shape == (2, 3, 4)


@pytest.mark.parametrize("values", [np.array([-1.0]), np.array([np.nan]), np.ones(2)])
def test_costs_that_are_none_are_refused(values):
    with pytest.raises(DecompositionError, match=r"fourth: costs are .*, wanted \(1,\), finite"):
        Cost(np.ones(1), values)
