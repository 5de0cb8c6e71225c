import pandas as pd
import pytest

from reports.sweep_figures import (
    MOST_PLACES,
    axis_figures,
    axis_frame,
    axis_values,
    drawn_axes,
    series_names,
)
from tests.reports.sweeps import AXES, sweep

POINTS = pd.DataFrame(
    {
        "network": ["n"] * 5,
        "machine": ["a"] * 4 + ["b"],
        "preset": ["iso"] * 5,
        "axis_blocks": [8, 4, 8, 4, None],
        "axis_packing": ["w", "w", "n", "n", "w"],
        "latency_s": [2.0, 1.0, 8.0, 4.0, 1.0],
        "energy_j": [1.0, 1.0, 1.0, 1.0, 0.0],
    }
)


def test_other_axes_are_averaged_geometrically() -> None:
    frame = axis_frame(POINTS, "blocks", "latency_s")
    assert frame["series"].tolist() == ["a", "a"]
    assert frame["value"].tolist() == [4, 8]
    assert frame["place"].tolist() == [0, 1]
    assert frame["cost"].tolist() == pytest.approx([2.0, 4.0])
    assert frame["points"].tolist() == [2, 2]
    assert frame["tip"][0] == "a, blocks 4: 2.00\xa0s, geometric mean of 2 points"


def test_words_are_an_axis_and_costs_of_nothing_are_left_out() -> None:
    assert axis_values(POINTS, "packing") == ["n", "w"]
    frame = axis_frame(POINTS, "packing", "energy_j")
    assert frame["series"].tolist() == ["a", "a"]
    assert axis_frame(POINTS, "packing", "latency_s")["series"].tolist() == ["a", "a", "b"]


def test_lines_are_named_as_far_as_they_differ() -> None:
    assert series_names(POINTS).unique().tolist() == ["a", "b"]
    two = POINTS.assign(network=list("nnnnm"), preset=["iso", "published", "iso x=1", "iso", "iso"])
    assert series_names(two).tolist()[:2] == ["a · iso · n", "a · published · n"]
    assert series_names(two).iloc[4] == "b · iso · m"


def test_axes_of_one_or_very_many_values_have_no_small_figure() -> None:
    many = pd.concat([POINTS] * 20, ignore_index=True)
    many["axis_random"] = [i / 7 for i in range(len(many))]
    many["axis_fixed"] = 1
    assert drawn_axes(many, ("random", "fixed", "blocks", "packing")) == ["blocks", "packing"]
    assert len(axis_values(many, "random")) > MOST_PLACES


def test_every_varied_axis_has_both_figures() -> None:
    _, points = sweep()
    figures = axis_figures(points, AXES)
    assert [figure.name for figure in figures][:2] == ["axis0-latency", "axis0-energy"]
    assert len(figures) == 2 * len(AXES)
    assert figures[0].caption == "Each dot is the geometric mean of 4 points over the other axes."
    assert "a · tiny, PE blocks 16: " in figures[0].svg
    assert axis_figures(points.iloc[:0], AXES) == []
