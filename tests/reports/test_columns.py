from dataclasses import replace
from pathlib import Path

from arch.energy import Price, charges
from arch.operators import operator_prices, with_operators
from arch.simulate import NetworkRun
from reports.columns import COLUMNS, described, markdown
from reports.quantity import unit_of
from reports.ratios import compare_rows
from reports.table import layer_frame, totals_frame
from tests.reports.runs import PRICES, run
from workloads.between import ACTIONS, Between, OnHost

DOCS = Path(__file__).parent.parent.parent / "docs"


def with_everything_between(given: NetworkRun) -> NetworkRun:
    """The same network with operators of every kind behind its first layer."""
    host = OnHost("softmax", "softmax", (1, 2, 2), 18, (4,), 4)
    found = {"conv1": Between(dict.fromkeys(ACTIONS, 3), [64], [64], [host])}
    results = tuple(with_operators(given.results, found))
    prices = {**PRICES, ("dram", "byte"): Price(1, "made up"), **operator_prices(given.spec)}
    bills = tuple(charges(result.counters, prices) for result in results)
    return replace(given, results=results, charges=bills)


def columns() -> set[str]:
    runs = [with_everything_between(run(machine="a")), run(machine="b")]
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
