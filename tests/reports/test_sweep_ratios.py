import math

import pytest

from reports.errors import ReportError
from reports.sweep_ratios import base_rows, with_ratios
from tests.reports.sweeps import AXES, sweep


def test_each_point_is_compared_with_the_one_that_agrees_on_the_axes() -> None:
    _, points = sweep()
    bases = base_rows(points, "b", AXES)
    for at, base in enumerate(bases):
        assert points["machine"][base] == "b"
        for name in ("network", "axis_density", "axis_packing"):
            assert points[name][at] == points[name][base]
    found = with_ratios(points, "b", AXES)
    row, base = found.iloc[0], found.iloc[bases[0]]
    assert row["speedup"] == base["latency_s"] / row["latency_s"]
    assert row["energy_efficiency"] == base["energy_j"] / row["energy_j"]
    assert (found.loc[points["machine"] == "b", "speedup"] == 1).all()


def test_a_single_point_is_the_baseline_of_its_network_only() -> None:
    _, points = sweep()
    found = with_ratios(points, "p03", AXES)
    assert found["speedup"][3] == 1.0
    assert found["speedup"][points["network"] == "tiny"].notna().all()
    assert found["speedup"][points["network"] == "large"].map(math.isnan).all()


def test_what_cannot_be_a_baseline_is_refused() -> None:
    _, points = sweep()
    with pytest.raises(ReportError, match="'c' names no point; the machines are a, b"):
        with_ratios(points, "c", AXES)
    with pytest.raises(ReportError, match="several points of tiny that agree on all axes"):
        with_ratios(points, "b:iso", ("density",))
    points.loc[0, "macs"] += 1
    with pytest.raises(ReportError, match=r"p00 stands for \d+ MACs, its baseline p12 for \d+"):
        with_ratios(points, "b", AXES)
