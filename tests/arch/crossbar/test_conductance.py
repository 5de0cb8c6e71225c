"""Do currents through conductances give back the integers, and how far off is mismatch?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.crossbar.conductance import analog_psums, codes, conductances, levels, psum_error
from arch.crossbar.layout import check_columns, phase_starts
from arch.crossbar.spec import CrossbarSpec
from arch.errors import OperandError
from tests.arch.crossbar.cases import specs


def numbers(rows, columns, vectors, seed=3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (vectors, rows)), rng.integers(-128, 128, (rows, columns))


def test_levels_give_back_every_weight():
    for bits in range(1, 9):
        spec = CrossbarSpec(cell_bits=bits)
        weights = np.arange(-128, 128).reshape(-1, 1)
        found = levels(weights, spec).astype(int)
        assert found.max() <= spec.top_level
        places = (1 << np.arange(spec.slices) * bits).reshape(-1, 1, 1)
        np.testing.assert_array_equal(
            (found * places).sum(axis=1)[0] - (found * places).sum(axis=1)[1], weights
        )
        assert not (found[0].any(axis=0) & found[1].any(axis=0)).any()


@settings(max_examples=80, deadline=None)
@given(specs(), st.integers(1, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_currents_give_back_the_integers(spec, rows, columns, seed):
    inputs, weights = numbers(rows, columns, 3, seed)
    np.testing.assert_array_equal(analog_psums(inputs, weights, spec), inputs @ weights)


@pytest.mark.parametrize("ratio", [1.5, 10.0, 1000.0])
def test_the_published_crossbar_is_exact_at_any_ratio_of_conductances(ratio):
    spec = CrossbarSpec(conductance_max_us=0.1 * ratio)
    inputs, weights = numbers(300, 64, 4)
    np.testing.assert_array_equal(analog_psums(inputs, weights, spec), inputs @ weights)


def test_adcs_suffice_up_to_the_last_code_and_not_beyond():
    """Five rows of level 3: 15 fits four bits; six rows do not."""
    fits = CrossbarSpec(cell_bits=2, rows_at_once=5, adc_bits=4)
    assert fits.adc_suffices
    assert not fits.model_copy(update={"rows_at_once": 6}).adc_suffices
    some = conductances(np.array([[3, 0]] * 6), fits)
    assert codes(np.ones(5), some[:5], fits).tolist() == [15]
    assert codes(np.ones(6), some, fits).tolist() == [15]  # saturated: 18 has no code
    six = fits.model_copy(update={"rows_at_once": 6})
    check_columns("a", np.array([[3]] * 5 + [[0]]), six)
    with pytest.raises(OperandError, match="a: a column of a crossbar can sum to 18, adc_bits = 4"):
        check_columns("a", np.array([[3]] * 6), six)
    check_columns("a", np.array([[3]] * 3 + [[-3]] * 3), six)  # signs are arrays of their own


def test_rows_driven_together_end_with_the_crossbar():
    spec = CrossbarSpec(crossbar_rows=5, rows_at_once=3)
    assert phase_starts(12, spec).tolist() == [0, 3, 5, 8, 10]


def test_level_zero_conducts():
    cells = conductances(levels(np.array([[0]]), CrossbarSpec()), CrossbarSpec())
    assert cells.min() == 0.1


def test_mismatch_is_seeded_and_grows():
    inputs, weights = numbers(128, 32, 20)
    spec = CrossbarSpec()

    def error(sigma, seed=7):
        return psum_error(inputs, weights, spec, sigma, np.random.default_rng(seed))

    assert error(0.0) == 0.0
    assert error(0.05) == error(0.05) != error(0.05, seed=8)
    assert error(1e-6) == 0.0  # far below half a step
    assert 0 < error(0.01) < error(0.05) < error(0.2)


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (-0.1, "sigma is -0.1, wanted a finite number that is not negative"),
        (float("nan"), "sigma is nan, wanted a finite number"),
        (0.1, "sigma is 0.1, wanted a source of random numbers beside it"),
    ],
)
def test_bad_mismatch_is_refused(sigma, message):
    with pytest.raises(OperandError, match=message):
        conductances(np.zeros((1, 1)), CrossbarSpec(), sigma)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            [[3, 16]],
            r"level 16 at \[0, 1\] has no conductance in 0.1..1 uS, wanted whole numbers 0..15",
        ),
        ([[-1]], r"level -1 at \[0, 0\] has no conductance"),
        ([[0.0], [2.5]], r"level 2.5 at \[1, 0\] has no conductance"),
        ([[float("nan")]], r"level nan at \[0, 0\] has no conductance"),
    ],
)
def test_levels_outside_the_range_of_conductances_are_refused(cells, message):
    with pytest.raises(OperandError, match=message):
        conductances(np.array(cells), CrossbarSpec())


def test_the_ends_of_the_range_are_levels():
    assert conductances(np.array([0, 3]), CrossbarSpec(cell_bits=2)).tolist() == [0.1, 1.0]
    with pytest.raises(OperandError, match=r"level 4 at .* whole numbers 0..3 for cells of 2 bits"):
        conductances(np.array([4]), CrossbarSpec(cell_bits=2))


@pytest.mark.parametrize("weight", [129, -129, 300, 0.5])
def test_weights_that_no_level_stands_for_are_refused(weight):
    message = rf"weight {weight} at \[1, 0\] has no conductance in 0.1..1 uS, .* -128..128"
    with pytest.raises(OperandError, match=message):
        analog_psums(np.array([[1, 1]]), np.array([[1], [weight]]), CrossbarSpec())
    analog_psums(np.array([[1]]), np.array([[128]]), CrossbarSpec())
