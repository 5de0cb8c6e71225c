"""The validation page holds every number, its verdict, and what lies outside with the reason."""

import pytest

from reports.errors import ReportError
from reports.publication import remarks, row, rows
from reports.validation import collapsed, shown, summary, validation_page

ROW = {
    "machine": "scnn",
    "quantity": "cycles",
    "case": "conv<1>",
    "published": 200.0,
    "ours": 100.0,
    "ratio": 0.5,
    "band": "± 10 %",
    "verdict": "outside",
    "source": "a paper",
    "reason": "because & so",
}
EQUAL = {**ROW, "ours": 200.0, "ratio": 1.0, "band": "exact", "verdict": "inside"}


def test_the_page_holds_every_row_escaped() -> None:
    page = validation_page([ROW, EQUAL], {"numbers": "2"})
    assert page.count("conv&lt;1&gt;</td>") == 3  # outside, and both rows in the whole table
    assert "because &amp; so" in page
    assert "conv<1>" not in page
    assert "Outside the band" in page
    assert "http:" not in page.replace("http://www.w3.org", "")
    assert "https:" not in page


def test_a_page_without_misses_has_no_section_for_them() -> None:
    assert "Outside the band" not in validation_page([EQUAL], {})
    with pytest.raises(ReportError, match="at least one row"):
        validation_page([], {})


def test_verdicts_are_counted_by_machine() -> None:
    found = summary([ROW, EQUAL, {**EQUAL, "machine": "b", "verdict": "reported"}])
    counts = {"inside": 1, "outside": 1, "lower_bound": 0, "reported": 0}
    assert found[0] == {"machine": "scnn", "compared": 2, **counts}
    assert found[1]["reported"] == 1


def test_only_equal_cases_become_one_line() -> None:
    assert [line["case"] for line in collapsed([EQUAL, EQUAL])] == ["2 cases, all equal"]
    assert len(collapsed([EQUAL, ROW])) == 2
    assert shown([ROW])[0]["published"] == 200


def test_published_tables_are_read_with_their_remarks() -> None:
    assert row("stonne_tpu_os.csv", array="16", M="16")["cycles"] == "51"
    assert len(rows("stonne_tpu_os.csv")) > 10
    assert any(line.startswith("accepted:") for line in remarks("stonne_tpu_os.csv"))
