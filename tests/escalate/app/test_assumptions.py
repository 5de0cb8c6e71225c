"""Is every assumed field varied, each against the unchanged machine?"""

import pandas as pd
import pytest

from arch.basis_first.spec import BasisFirstSpec
from arch.errors import OperandError
from escalate.app.assumptions import (
    CSV,
    FIGURE,
    alternatives,
    assumptions,
    by_weight,
    write_assumptions,
)
from escalate.app.feed import Feed
from escalate.app.machines import choose
from escalate.app.simulate import run_choices
from escalate.app.sources import ShapeSource
from workloads.network import network
from workloads.synthetic import Synthetic

SHAPES = ShapeSource("resnet20_cifar10", network("resnet20_cifar10"))
FEED = Feed(synthetic=Synthetic(coefficients=0.2, activations=0.5))


@pytest.fixture(scope="module")
def found():
    return assumptions(SHAPES, choose("basis_first")[0], FEED)


def test_every_assumed_field_is_varied(found) -> None:
    assumed = {
        name
        for name, info in BasisFirstSpec.model_fields.items()
        if "Assumption" in (info.description or "")
    }
    tried = {row["field"] for row in (*found.rows, *found.refused)}
    assert tried == assumed - {"supply_v"}
    assert len(alternatives(BasisFirstSpec())) == len(found.rows) + len(found.refused)


def test_rows_are_what_single_runs_give(found) -> None:
    row = next(r for r in found.rows if (r["field"], r["value"]) == ("mac_row_width", 1))
    single = [
        run_choices(SHAPES, choose("basis_first", settings=settings), FEED)[0].run
        for settings in ((), ("mac_row_width=1",))
    ]
    assert found.base.cycles == single[0].cycles
    assert row["cycles"] == single[1].cycles
    assert row["energy_ratio"] == single[1].energy_aj / single[0].energy_aj
    assert row["area_ratio"] < 1 < row["latency_ratio"]


def test_what_the_machine_refuses_is_named(found) -> None:
    reasons = {(row["field"], row["value"]): row["reason"] for row in found.refused}
    assert reasons["psum_bits", 64] == "wanted a whole number 2 to 32"
    assert "intermediate of output channel" in reasons["intermediate_bits", 10]
    assert all("latency_ratio" not in row for row in found.refused)


def test_a_machine_that_cannot_run_at_all_is_an_error() -> None:
    choice = choose("basis_first", settings=("intermediate_bits=8",))[0]
    with pytest.raises(OperandError, match="intermediate of output channel"):
        assumptions(SHAPES, choice, FEED)


def test_the_heaviest_field_stands_first_and_files_are_written(found, tmp_path) -> None:
    rows = by_weight(found.rows)
    weights = [abs(row["latency_ratio"] - 1) for row in rows if row["field"] == rows[0]["field"]]
    assert max(weights) == max(abs(row["latency_ratio"] - 1) for row in rows)
    write_assumptions(found, tmp_path / "out")
    frame = pd.read_csv(tmp_path / "out" / CSV)
    assert len(frame) == len(found.rows) + len(found.refused)
    assert (tmp_path / "out" / FIGURE).read_text("utf-8").startswith("<svg")
