"""Are values put together as each mode says, the same every time?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalate.app.sweeps.axes import Range, SweepError, combine


def test_a_grid_is_every_combination_in_order():
    found = combine({"a": (1, 2), "b": ("x", "y")}, "grid")
    assert [tuple(each.values()) for each in found] == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]


def test_lists_go_together_and_single_values_with_all():
    found = combine({"a": (1, 2, 3), "b": (7, 8, 9), "c": (0,)}, "list")
    assert found == [{"a": n, "b": n + 6, "c": 0} for n in (1, 2, 3)]


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(SweepError, match="a has 2, b has 3"):
        combine({"a": (1, 2), "b": (1, 2, 3)}, "list")


@given(count=st.integers(2, 8), often=st.integers(1, 6), seed=st.integers(0, 5))
def test_a_latin_hypercube_meets_every_part_once(count, often, seed):
    points = count * often
    axes = {"whole": Range(min=1, max=points), "listed": tuple(range(count))}
    found = combine(axes, "latin_hypercube", points=points, seed=seed)
    assert sorted(each["whole"] for each in found) == list(range(1, points + 1))
    assert [sum(each["listed"] == value for each in found) for value in range(count)] == [
        often
    ] * count


@given(
    low=st.integers(1, 50),
    width=st.integers(1, 50),
    log=st.booleans(),
    share=st.floats(0, 1, exclude_max=True),
)
def test_a_range_stays_within_its_ends(low, width, log, share):
    whole = Range(min=low, max=low + width, log=log).at(share)
    assert isinstance(whole, int)
    assert low <= whole <= low + width
    real = Range(min=float(low), max=float(low + width), log=log).at(share)
    assert low * (1 - 1e-12) <= real <= (low + width) * (1 + 1e-12)


def test_what_is_drawn_for_an_axis_does_not_depend_on_the_others():
    alone = combine({"a": Range(min=0.0, max=1.0)}, "random", points=9, seed=3)
    beside = combine({"b": (1, 2), "a": Range(min=0.0, max=1.0)}, "random", points=9, seed=3)
    assert [each["a"] for each in alone] == [each["a"] for each in beside]
    other = combine({"a": Range(min=0.0, max=1.0)}, "random", points=9, seed=4)
    assert alone != other


@pytest.mark.parametrize(
    ("mode", "points", "told"),
    [
        ("random", None, "points: missing"),
        ("grid", 3, "points: goes with mode random"),
        ("grid", None, "a: a range wants mode random"),
    ],
)
def test_modes_that_do_not_fit_are_refused(mode, points, told):
    with pytest.raises(SweepError, match=told):
        combine({"a": Range(min=1, max=2)}, mode, points=points)
