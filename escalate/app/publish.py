"""publish: runs become a folder of tables, figures, integers and one page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arch.simulate import NetworkRun
from escalate.app.load import load_both
from escalate.app.results import FILE, NewFolder, write_runs
from reports.html import drawn, page
from reports.pages import write_whole
from reports.quantity import AXIS
from reports.sweep_page import sweep_page, sweep_svgs
from reports.table import layer_frame, totals_frame
from reports.tables import TOTALS, write_data, write_readable

PAGE = "report.html"
FIGURES = "figures"
FRONT = ("point", "network", "machine", "preset")  # of the readable table of points
STORIES = ("spec_json", "provenance_json")  # stand once per point, in the table of totals
NAMES = (
    PAGE,
    FILE,
    FIGURES,
    "layers.csv",
    "layers.parquet",
    "totals.csv",
    "totals.parquet",
    "totals.md",
    "totals.tex",
)


def write_tables(folder: Path, runs: Sequence[NetworkRun]) -> None:
    """Rows per layer and per run as CSV and Parquet, those per run as Markdown and LaTeX, too."""
    write_data(folder, "layers", layer_frame(runs))
    totals = totals_frame(runs)
    write_data(folder, "totals", totals)
    write_readable(folder, "totals", totals, TOTALS)


def write_figures(folder: Path, figures: Mapping[str, str]) -> None:
    """Every figure as an SVG file of its name."""
    folder.mkdir()
    for name, svg in figures.items():
        (folder / f"{name}.svg").write_text(svg, "utf-8")


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
    pictures = drawn(runs)
    html = page(
        runs, title=title, summary=summary, baseline=baseline, facts=facts, drawing=pictures
    )
    write_tables(folder, runs)
    write_figures(folder / FIGURES, pictures.files)
    write_whole(folder / PAGE, html)
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


def publish_points(
    target: Path, folders: Sequence[Path], *, title: str, baseline: str | None = None
) -> None:
    """The points of results folders as tables, figures and one page; as ``publish``.

    Raises
    ------
    ResultsError
        If a folder holds no results, or ``target`` something that we did not write.
    ReportError
        If the baseline fits no point, or several.
    """
    layers, points = load_both([str(folder) for folder in folders])
    axes = [name.removeprefix(AXIS) for name in points.attrs["axes"]]
    facts = {"results": ", ".join(str(folder) for folder in folders)}
    refused = points.attrs["refused"]
    if refused:
        reasons = dict.fromkeys(refused.values())
        facts["points refused by their machine"] = f"{len(refused)}: {'; '.join(reasons)}"
    with NewFolder(target, NAMES) as folder:
        html = sweep_page(layers, points, axes=axes, title=title, baseline=baseline, facts=facts)
        write_whole(folder / PAGE, html)
        write_data(folder, "layers", layers.drop(columns=[*STORIES]))
        write_data(folder, "totals", points)
        write_readable(folder, "totals", points, (*FRONT, *points.attrs["axes"], *TOTALS[3:]))
        write_figures(folder / FIGURES, sweep_svgs(points, axes))
