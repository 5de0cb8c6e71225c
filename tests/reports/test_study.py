"""Do the helpers answer what they are asked, and refuse what they cannot?"""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.errors import ReportError
from reports.study import (
    axis_effect,
    best_under,
    pareto_front,
    seed_spread,
    speedup_table,
)


def frame(**columns):
    """Points that agree where nothing else is said."""
    count = len(next(iter(columns.values())))
    same = {"network": "n", "source": "n", "machine": "m", "preset": "p", "macs": 1}
    plain = {name: [value] * count for name, value in same.items()}
    return pd.DataFrame({"point": [f"p{n}" for n in range(count)], **plain, **columns})


@given(
    st.lists(
        st.tuples(*[st.integers(0, 6)] * 3),
        min_size=1,
        max_size=12,
    )
)
def test_the_front_is_what_nothing_beats(values):
    points = pd.DataFrame(values, columns=["latency_s", "energy_j", "accuracy"])
    found = pareto_front(points, most=["accuracy"]).index
    for n, mine in points.iterrows():
        beaten = any(
            a["latency_s"] <= mine["latency_s"]
            and a["energy_j"] <= mine["energy_j"]
            and a["accuracy"] >= mine["accuracy"]
            and not a.equals(mine)
            for _, a in points.iterrows()
        )
        assert (n in found) == (not beaten)


def test_geometric_means_are_over_networks_that_all_have_the_point():
    points = frame(
        machine=["a", "b", "a", "b", "c"],
        network=["x", "x", "y", "y", "y"],
        source=["x", "x", "y", "y", "y"],
        latency_s=[1.0, 0.5, 1.0, 0.125, 1.0],
        energy_j=[1.0] * 5,
    )
    table = speedup_table(points, "a")
    means = table[table["network"] == "geometric mean"].set_index("machine")["speedup"]
    assert means.to_dict() == {"a": 1.0, "b": 4.0}


def test_a_baseline_that_fits_several_points_is_refused():
    points = frame(
        machine=["a", "a", "b"],
        axis_lanes=[1.0, 2.0, math.nan],
        latency_s=[1.0, 2.0, 3.0],
        energy_j=[1.0] * 3,
    )
    with pytest.raises(ReportError, match="'a' names several points of n"):
        speedup_table(points, "a")


def test_an_axis_is_seen_with_the_others_held():
    points = frame(
        axis_lanes=[1, 2, 1, 2],
        axis_banks=[1, 1, 8, 8],
        cycles=[100, 50, 10, 20],
    )
    found = axis_effect(points, "lanes", "cycles").set_index("axis_lanes")
    assert found["ratio"].to_dict() == {1: 1.0, 2: 1.0}
    assert (found.loc[2, "least"], found.loc[2, "largest"], found.loc[2, "settings"]) == (0.5, 2, 2)


def test_budgets():
    points = frame(latency_s=[1, 2, 3], area_mm2=[9, 5, 4], accuracy=[0.9, 0.8, 0.95])
    assert best_under(points, "latency_s", area_mm2=6)["point"].tolist() == ["p1"]
    kept = best_under(points, "area_mm2", at_least_accuracy=0.9)
    assert kept["point"].tolist() == ["p2"]
    assert best_under(points, "accuracy", most=True)["point"].tolist() == ["p2"]
    assert best_under(points, "latency_s", area_mm2=1).empty


@pytest.mark.parametrize(
    "ask",
    [
        lambda points: pareto_front(points, least=["colour"]),
        lambda points: best_under(points, "colour"),
        lambda points: axis_effect(points, "colour"),
    ],
)
def test_unknown_columns_are_named(ask):
    with pytest.raises(ReportError, match=r"no column '(axis_)?colour', there are point, network"):
        ask(frame(latency_s=[1]))


def test_one_seed_has_no_spread():
    with pytest.raises(ReportError, match="all have the same seed"):
        seed_spread(frame(latency_s=[1]))
