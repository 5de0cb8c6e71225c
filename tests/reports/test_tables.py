"""Are files for people right, and harmless?"""

import math
import re

import pandas as pd
import pytest

from reports.table import totals_frame
from reports.tables import (
    TOTALS,
    latex,
    markdown,
    storable,
    text_column,
    write_data,
    write_readable,
)
from tests.reports.runs import run
from tests.reports.sweeps import HOSTILE

NASTY = "50 % of conv_1 & #2 | ${x}$ ~ ^ \\ `a` *b* µ"
FRAME = pd.DataFrame(
    {
        "machine": ["toy", NASTY],
        "cycles": [1234567, 89],
        "latency_s": [0.00123, math.nan],
        "energy_j": [2e-6, 35e-6],
        "macs": [12_345_678, 9_876_543],
        "multiplier_utilization": [0.123, 1.0],
        "speedup": [1.0, 15.83],
        "area_mm2": [0.9, 12.25],
        "nothing": [None, None],
    }
)


@pytest.mark.parametrize(
    ("name", "values", "heading", "cells"),
    [
        ("latency_s", [0.00123, math.nan], "latency [ms]", ("1.23", "–")),
        ("dram_bytes", [0, 999_000, 2_000], "DRAM traffic [kB]", ("0", "999", "2.00")),
        ("macs", [12_345_678, 98], "dense MACs [M]", ("12.3", "0.0000980")),
        ("macs", [1234, 98], "dense MACs", ("1\u202f234", "98")),
        ("cycles", [1234567], "cycles", ("1\u202f234\u202f567",)),
        ("multiplier_utilization", [0.5], "multiplier utilization [%]", ("50.0",)),
        ("speedup", [15.83], "speedup [×]", ("15.8",)),
        ("latency_ratio", [1.0004], "latency ratio", ("1.000",)),
        ("axis_density", [0.05], "density [%]", ("5.0",)),
        ("axis_coefficients", [0.05, 0.1], "coefficients", ("0.05", "0.1")),
        ("area_mm2", [1250.0], "area [mm²]", ("1250",)),
        ("mode", ["dense", None], "mode", ("dense", "–")),
    ],
)
def test_one_unit_for_a_column(name: str, values: list, heading: str, cells: tuple) -> None:
    column = text_column(name, pd.Series(values))
    assert (column.heading, column.cells) == (heading, cells)


def test_markdown_rows_have_the_same_columns() -> None:
    lines = markdown(FRAME).splitlines()
    assert len(lines) == 4
    assert {len(line) for line in lines} == {len(lines[0])}
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {9}
    assert r"\| ${x}$ ~ ^ \\ \`a\` \*b\* µ" in lines[3]
    assert "<" not in markdown(pd.DataFrame({"layer": [HOSTILE]}))


def test_latex_is_escaped_and_ruled() -> None:
    text = latex(FRAME)
    assert r"50 \% of conv\_1 \& \#2 | \$\{x\}\$ \textasciitilde{} \textasciicircum{}" in text
    assert r"\begin{tabular}{@{}p{4cm}rrrrrrr@{}}" in text
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{rule}") == 1
    body = text.split("\\midrule")[1].split("\\bottomrule")[0]
    for line in body.strip().splitlines():
        assert len(re.findall(r"(?<!\\)&", line)) == 7
        assert line.endswith(r" \\")
    assert r"area [mm\textsuperscript{2}]" in text
    assert text.isascii()


def test_all_columns_of_a_run_can_be_written() -> None:
    frame = totals_frame([run(), run(machine="b")])
    text = markdown(frame, TOTALS)
    assert text.splitlines()[0].startswith("| network | machine | preset |")
    assert "DRAM traffic [kB]" in text
    assert latex(frame).count(r" \\") == 3


def test_files_hold_the_frame(tmp_path) -> None:
    mixed = FRAME.assign(axis_packing=["window", 3], axis_blocks=[4, None])
    write_data(tmp_path, "rows", mixed)
    write_readable(tmp_path, "rows", mixed, ["machine", "cycles", "absent"])
    again = pd.read_parquet(tmp_path / "rows.parquet")
    assert again["latency_s"][0] == pd.read_csv(tmp_path / "rows.csv")["latency_s"][0] == 0.00123
    assert again["axis_packing"].tolist() == ["window", "3"]
    assert (tmp_path / "rows.md").read_text("utf-8") == markdown(FRAME, ["machine", "cycles"])
    assert (tmp_path / "rows.tex").read_text("utf-8") == latex(FRAME, ["machine", "cycles"])
    assert storable(FRAME).equals(FRAME)
