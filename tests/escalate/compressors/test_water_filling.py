"""Water filling: the worked example, the least rate among many, what cannot be is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalate.compressors.water_filling import water_filling
from escalate.errors import DecompositionError

COSTS, POWERS = np.array([4.0, 1.0, 0.25]), np.array([1.0, 2.0, 0.5])


def test_the_worked_example():
    found = water_filling(COSTS, POWERS, 1.5)
    assert found.level == pytest.approx(0.6875, rel=1e-12)
    np.testing.assert_allclose(found.errors, [0.171875, 0.6875, 0.5], rtol=1e-12)
    assert found.bits == pytest.approx(2.0405684, abs=5e-8)


def test_equal_errors_need_more():
    share = 1.5 / COSTS.sum()
    bits = 0.5 * np.log2(np.maximum(POWERS / share, 1)).sum()
    assert bits == pytest.approx(2.7110, abs=5e-5)


@given(seed=st.integers(0, 999), share=st.floats(0.01, 0.99))
def test_the_distortion_is_met_and_no_other_errors_need_fewer_bits(seed, share):
    random = np.random.default_rng(seed)
    costs, powers = random.exponential(size=6), random.exponential(size=6) + 0.01
    wanted = share * (costs * powers).sum()
    found = water_filling(costs, powers, wanted)
    assert (costs * found.errors).sum() == pytest.approx(wanted)
    assert (found.errors <= powers).all()
    for _ in range(50):
        other = powers * random.random(6)
        other *= min(1.0, wanted / (costs * other).sum())
        assert 0.5 * np.log2(powers / other).sum() >= found.bits - 1e-9


def test_what_costs_nothing_gets_no_bits():
    found = water_filling(np.array([0.0, 1.0]), np.ones(2), 0.25)
    assert found.errors.tolist() == [1.0, 0.25]
    assert found.bits == 1.0
    for distortion in (1.0, 7.0):
        assert water_filling(np.array([0.0, 1.0]), np.ones(2), distortion).bits == 0


@pytest.mark.parametrize(
    ("costs", "powers", "distortion", "message"),
    [
        (np.ones(2), np.ones(3), 1.0, r"costs \(2,\) and powers \(3,\)"),
        (-np.ones(2), np.ones(2), 1.0, "costs >= 0"),
        (np.ones(2), np.zeros(2), 1.0, "powers > 0"),
        (np.ones(2), np.ones(2), 0.0, "distortion is 0.0, wanted above 0"),
    ],
)
def test_what_cannot_be_filled_is_refused(costs, powers, distortion, message):
    with pytest.raises(DecompositionError, match=message):
        water_filling(costs, powers, distortion)
