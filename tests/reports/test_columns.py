from pathlib import Path

from reports.columns import COLUMNS, described, markdown
from reports.quantity import unit_of
from reports.ratios import compare_rows
from reports.table import layer_frame, totals_frame
from tests.reports.runs import run

DOCS = Path(__file__).parent.parent.parent / "docs"


def columns() -> set[str]:
    runs = [run(machine="a"), run(machine="b")]
    compared = {name for row in compare_rows(runs, "a") for name in row}
    return compared | set(layer_frame(runs)) | set(totals_frame(runs))


def test_every_column_is_described() -> None:
    assert [name for name in sorted(columns()) if described(name) is None] == []


def test_every_description_has_its_column() -> None:
    assert {described(name) for name in columns()} == set(COLUMNS)


def test_units_agree_with_the_ends_of_the_names() -> None:
    for name, (unit, _) in COLUMNS.items():
        if unit_of(name):
            assert unit in (unit_of(name), "×"), name


def test_the_page_is_made_from_the_code() -> None:
    assert (DOCS / "columns.md").read_text("utf-8") == markdown()
