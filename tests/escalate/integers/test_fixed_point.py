"""Fixed point: multipliers, shifts and biases against real arithmetic, and their awkward ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalate.errors import DecompositionError
from escalate.integers.fixed_point import coarsened, multipliers, psum_bounds, requantizer, rescale

RATIOS = st.lists(
    st.floats(-9, 9).map(lambda e: 10.0**e) | st.just(0.0), min_size=1, max_size=6
).map(np.array)


@given(ratios=RATIOS, seed=st.integers(0, 9))
def test_the_largest_multiplier_has_thirty_bits_and_all_are_near(ratios, seed):
    ratios = ratios * np.random.default_rng(seed).choice([-1, 1], ratios.size)
    found, shift = multipliers("a", ratios)
    assert 0 <= shift <= 62
    if ratios.any():
        assert 1 << 29 <= np.abs(found.astype(np.int64)).max() < 1 << 30
    assert (np.abs(found / 2.0**shift - ratios) <= 2.0 ** -(shift + 1)).all()


def test_a_ratio_that_would_round_up_to_thirty_one_bits():
    found, shift = multipliers("a", np.array([1.0 - 2.0**-40]))
    assert (int(found[0]), shift) == (1 << 29, 29)


def test_tiny_ratios_stop_at_the_largest_shift():
    found, shift = multipliers("a", np.array([2.0**-50]))
    assert (int(found[0]), shift) == (1 << 12, 62)


@pytest.mark.parametrize("ratio", [2.0**30, float("nan"), float("inf")])
def test_a_ratio_without_multiplier_is_refused(ratio):
    with pytest.raises(DecompositionError, match=r"add1: scale ratio .* is no number below 2\^30"):
        rescale("add1", ratio)


def test_the_largest_ratio_needs_no_shift():
    found = rescale("a", 2.0**30 - 1)
    assert (found.multiplier, found.shift) == ((1 << 30) - 1, 0)
    with pytest.raises(DecompositionError, match="no number below"):
        rescale("a", 2.0**30 - 0.25)


@given(seed=st.integers(0, 99), low=st.sampled_from([0, -127]))
def test_psum_bounds_are_reached_and_never_passed(seed, low):
    random = np.random.default_rng(seed)
    weights = random.integers(-9, 10, (3, 4, 2, 2))
    bounds = psum_bounds(weights, low, 255)
    flat = weights.reshape(3, -1)
    high_ends = [np.where(row > 0, 255, low) @ row for row in flat]
    low_ends = [np.where(row < 0, 255, low) @ row for row in flat]
    worst = np.maximum(np.abs(high_ends), np.abs(low_ends))
    np.testing.assert_array_equal(bounds, worst)
    inputs = random.integers(low, 256, (16, 50))
    assert (np.abs(flat @ inputs).max(axis=1) <= bounds).all()


@given(
    seed=st.integers(0, 999),
    size=st.floats(-7, 0),
    outputs=st.sampled_from([(0, 255), (-127, 127), (-32768, 32767)]),
)
def test_the_requantizer_is_the_real_formula(seed, size, outputs):
    random = np.random.default_rng(seed)
    low, high = outputs
    ratios = 10.0**size * random.uniform(-1, 1, 5)
    ratios[0] = 0.0
    offsets = high * random.uniform(-2, 2, 5)
    bound = 100_000
    rule, dropped = requantizer("a", ratios, offsets, np.full(5, bound), low, high)
    negligible = 1.01 * bound / 2.0**31 * (high + 2)  # output steps, see the docstring
    assert (np.abs(ratios[dropped]) * bound <= negligible).all()
    psums = random.integers(-bound, bound + 1, (1, 5, 8, 8)).astype(np.int32)
    psums[:, dropped] = 0  # what the emptied weights give
    exact = psums * ratios[:, None, None] + offsets[:, None, None]
    exact = np.clip(exact, low, high)
    slack = 0.5 + 1e-3 + 0.5 * np.abs(ratios)[:, None, None]  # the bias is a whole psum
    assert (np.abs(rule.apply(psums) - exact) <= slack).all()


@pytest.mark.parametrize("offset", [3.4, -60.0, 254.6, 1e9, -1e9])
@pytest.mark.parametrize("other", [1e-12, 1e-6, 1e-3, 1.0, 1000.0])
def test_a_channel_without_weights_keeps_its_bias(offset, other):
    rule, dropped = requantizer(
        "a", np.array([0.0, other]), np.array([offset, 0.0]), np.array([0, 9]), -127, 255 - 128
    )
    found = int(rule.apply(np.zeros((1, 2, 1, 1), np.int32))[0, 0, 0, 0])
    assert abs(found - np.clip(offset, -127, 127)) <= 0.5 + 1e-3
    assert not dropped.any()


def test_a_whole_layer_without_weights_keeps_its_biases():
    rule, _ = requantizer("a", np.zeros(2), np.array([7.0, -9.0]), np.zeros(2, int), -127, 127)
    assert rule.apply(np.zeros((1, 2, 1, 1), np.int32)).ravel().tolist() == [7, -9]


def test_weights_too_small_to_stand_beside_their_bias_are_dropped():
    ratios, offsets = np.array([1e-3, 1e-9]), np.array([0.0, 100.0])
    rule, dropped = requantizer("a", ratios, offsets, np.array([50_000, 50_000]), 0, 255)
    assert dropped.tolist() == [False, True]
    assert rule.apply(np.zeros((1, 2, 1, 1), np.int32)).ravel().tolist() == [0, 100]


def test_a_bias_far_outside_the_clamp_is_cut_and_changes_nothing():
    rule, dropped = requantizer("a", np.array([1e-3]), np.array([1e12]), np.array([50_000]), 0, 255)
    assert not dropped.any()
    assert rule.apply(np.array([[[[-50_000]]]], np.int32)).item() == 255


def test_psums_that_may_leave_32_bits_are_refused():
    with pytest.raises(DecompositionError, match="a: psums of output channel 1 may reach 2147"):
        requantizer("a", np.ones(2), np.zeros(2), np.array([1, 2**31]), 0, 255)


@given(
    seed=st.integers(0, 999),
    size=st.floats(-7, 0),
    outputs=st.sampled_from([(0, 255), (-127, 127), (-32768, 32767)]),
)
def test_fewer_bits_move_no_output_by_more_than_one(seed, size, outputs):
    random = np.random.default_rng(seed)
    low, high = outputs
    ratios = 10.0**size * random.uniform(-1, 1, 5) * 10.0 ** random.uniform(-3, 0, 5)
    ratios[0] = 0.0
    bound = 100_000
    offsets = high * random.uniform(-2, 2, 5)
    rule, dropped = requantizer("a", ratios, offsets, np.full(5, bound), low, high)
    small = coarsened(rule, np.where(dropped, 0, bound))
    psums = random.integers(-bound, bound + 1, (1, 5, 16, 16)).astype(np.int32)
    psums[:, dropped] = 0
    before, after = (each.apply(psums).astype(np.int64) for each in (rule, small))
    assert np.abs(before - after).max() <= 1
    total = psums.astype(np.float64) + rule.bias[:, None, None]
    exact = np.clip(total * (rule.multiplier / 2.0**rule.shift)[:, None, None], low, high)
    assert np.abs(after - exact).max() <= 0.5 + 1 / 8 + 1 / 16 + 1e-9
    assert small.shift <= rule.shift
