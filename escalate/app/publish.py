"""publish: runs become a folder of tables, integers and one page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arch.simulate import NetworkRun
from escalate.app.results import FILE, NewFolder, write_runs
from reports.html import page
from reports.pages import write_page
from reports.table import layer_frame, totals_frame

PAGE = "report.html"
NAMES = (FILE, PAGE, "layers.csv", "layers.parquet", "totals.csv", "totals.parquet")


def write_tables(folder: Path, runs: Sequence[NetworkRun]) -> None:
    """Rows per layer and per run, as CSV and Parquet."""
    for name, frame in (("layers", layer_frame(runs)), ("totals", totals_frame(runs))):
        frame.to_csv(folder / f"{name}.csv", index=False)
        frame.to_parquet(folder / f"{name}.parquet", index=False)


def write_results(
    folder: Path,
    runs: Sequence[NetworkRun],
    *,
    title: str,
    summary: Sequence[Mapping[str, Any]] | None = None,
    baseline: str | None = None,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Write all of it into an existing folder; parameters as :func:`reports.html.page`."""
    html = page(runs, title=title, summary=summary, baseline=baseline, facts=facts)
    write_tables(folder, runs)
    write_page(folder / PAGE, html)
    write_runs(folder / FILE, runs)


def check_target(target: Path) -> None:
    """Refuse a folder that is not ours before any work is done.

    Raises
    ------
    ResultsError
        If ``target`` holds something that we did not write.
    """
    NewFolder(target, NAMES)


def publish(
    target: Path,
    runs: Sequence[NetworkRun],
    *,
    title: str,
    baseline: str | None = None,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Write a results folder whole; an earlier one of ours is replaced.

    Raises
    ------
    ResultsError
        If ``target`` holds something that we did not write.
    """
    with NewFolder(target, NAMES) as folder:
        write_results(folder, runs, title=title, baseline=baseline, facts=facts)
