import pytest

from arch.energy import AJ_PER_J
from reports.figures import (
    area_frame,
    causes_frame,
    energy_frame,
    folded,
    roofline_frame,
    roofs_frame,
    total_causes_frame,
    traffic_frame,
)
from tests.reports.runs import RESOURCES, run


def test_pieces_of_a_bar_add_up_to_the_cycles() -> None:
    tiny = run()
    frame = causes_frame(tiny)
    assert frame.index.tolist() == ["conv1", "conv2"]
    assert frame.sum(axis=1).tolist() == [125.0, 309.0]
    assert total_causes_frame([tiny, tiny]).sum(axis=1).tolist() == [434.0, 434.0]
    assert "waits for DRAM" in frame.columns


def test_energy_and_traffic_add_up() -> None:
    tiny = run()
    assert energy_frame([tiny]).sum(axis=1).iloc[0] == pytest.approx(tiny.energy_aj / AJ_PER_J)
    frame = traffic_frame([tiny])
    assert frame.sum(axis=1).iloc[0] == tiny.dram_bytes
    assert list(frame.columns) == ["input read", "coefficient read", "output write"]


def test_area_adds_up() -> None:
    frame = area_frame([run()])
    assert frame.sum(axis=1).iloc[0] == RESOURCES.area_mm2 == 1.25
    assert list(frame.columns) == ["buffer", "multipliers", "adders"]


def test_folding_keeps_every_sum() -> None:
    tables = [{f"part{i}": 10 + i for i in range(12)}, {"part3": 7}]
    rows = folded(tables, most=5)
    assert [sum(row.values()) for row in rows] == [sum(table.values()) for table in tables]
    assert list(rows[0]) == ["part3", "part9", "part10", "part11", "other"]
    assert folded(tables, most=12) == tables


def test_roofline_points_are_layers() -> None:
    tiny = run()
    frame = roofline_frame([tiny])
    counters = tiny.results[1].counters
    assert frame["layer"].tolist() == ["conv1", "conv2"]
    assert frame["macs_per_byte"][1] == counters.macs / counters.dram_bytes
    assert roofs_frame([tiny])["multiplies_per_s"].iloc[0] == RESOURCES.multipliers * 800_000_000
