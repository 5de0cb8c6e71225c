"""Can no cell leave its page, and does every number in it come back?"""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest

from reports.explorer import MOST_CELLS, cell, embedded, explorer, meaning, short
from reports.table import layer_frame
from tests.reports.runs import run
from tests.reports.sweeps import HOSTILE


def read(frame: pd.DataFrame, **rest: object) -> dict:
    about = {"name": "rows", "title": "Rows", "shown": list(frame.columns[:2]), **rest}
    return json.loads(explorer(frame, **about).data)  # type: ignore[arg-type]


def cells(column: dict) -> list:
    """A column as it was before it was embedded."""
    if "words" in column:
        return [None if code < 0 else column["words"][code] for code in column["codes"]]
    return column["values"]


@pytest.mark.parametrize("text", [HOSTILE, "<!--", "]]>", "&lt;", "\u2028\ud800\x00", '"\\'])
def test_no_text_leaves_its_script(text: str) -> None:
    data = embedded({"cell": text})
    assert not re.search(r"[<>&\u2028\ud800\x00]", data)
    assert json.loads(data) == {"cell": text}


def test_rows_come_back() -> None:
    frame = layer_frame([run(), run(machine="b", network=HOSTILE)])
    data = read(frame, shown=["layer", "cycles"], picks=["network", "machine", "mode"])
    named = {column["name"]: column for column in data["columns"]}
    assert data["rows"] == 4
    assert data["shown"] == ["layer", "cycles"]
    assert [column["name"] for column in data["columns"]][:2] == ["layer", "cycles"]
    assert cells(named["network"]) == frame["network"].tolist()
    assert cells(named["cycles"]) == frame["cycles"].tolist()
    assert named["cycles"]["whole"]
    assert cells(named["energy_j"]) == pytest.approx(frame["energy_j"].tolist(), rel=1e-6)
    assert (named["energy_j"]["kind"], named["energy_j"]["unit"]) == ("si", "J")
    assert data["picks"] == ["network", "machine"]  # all rows have one mode
    assert not {"spec_json", "provenance_json", "digest"} & set(named)


def test_what_never_changes_is_told_below() -> None:
    found = explorer(layer_frame([run()]), name="r", title="R", shown=["mode", "cycles"])
    assert found.constant["images"] == "1"
    names = [column["name"] for column in json.loads(found.data)["columns"]]
    assert names[0] == "mode"  # the heading of a row stays
    assert "images" not in names


def test_missing_and_mixed_values() -> None:
    frame = pd.DataFrame(
        {
            "point": ["p1", "p2", "p3"],
            "axis_blocks": [4, None, 8],
            "axis_density": [0.05, math.nan, 0.5],
            "axis_packing": ["window", None, 3],
            "axis_flag": [True, False, None],
            "axis_object": np.array([1, None, 2.5], dtype=object),
            "speedup": [1.0, math.inf, 2.0],
        }
    )
    named = {column["name"]: column for column in read(frame)["columns"]}
    assert (named["axis_blocks"]["whole"], cells(named["axis_blocks"])) == (True, [4, None, 8])
    assert cells(named["axis_density"]) == [0.05, None, 0.5]
    assert cells(named["axis_packing"]) == ["window", None, "3"]
    assert cells(named["axis_flag"]) == ["True", "False", None]
    assert cells(named["axis_object"]) == [1, None, 2.5]
    assert cells(named["speedup"]) == [1, None, 2]


def test_a_page_has_room_for_the_first_columns() -> None:
    rows = 30_000
    frame = pd.DataFrame({f"c{i}": np.arange(rows) + i for i in range(60)})
    found = explorer(frame, name="r", title="R", shown=["c7", "c8"])
    names = [column["name"] for column in json.loads(found.data)["columns"]]
    assert names[:3] == ["c7", "c8", "c0"]
    assert len(names) == MOST_CELLS // rows == 50
    assert found.left_out == tuple(f"c{i}" for i in range(50, 60))


def test_numbers_keep_seven_digits_and_integers_all() -> None:
    assert short(123456789.0) == 123456789
    assert short(1 / 3) == 0.3333333
    assert short(-math.inf) is None
    big = pd.DataFrame({"a": ["x", "y"], "cycles": [2**52 + 1, 3]})
    assert cells(read(big)["columns"][1]) == [2**52 + 1, 3]


def test_cells_of_axes_are_short() -> None:
    assert cell("axis_lookahead", 4.0) == "4"
    assert cell("axis_coefficients", 0.05) == "0.05"
    assert meaning("axis_lookahead").startswith("the point's value")
    assert "array waits" in meaning("memory_stall_cycles")


def test_a_frame_without_rows_is_a_table_without_rows() -> None:
    data = read(pd.DataFrame({"layer": [], "cycles": []}))
    assert data["rows"] == 0
