"""escalate report: results folders become one page, one set of tables, and figures."""

from pathlib import Path
from typing import Annotated

import typer

from escalate.cli import terminal


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...",
            help="Folders that sweep, simulate, compare or demo wrote.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Folder for the page, tables and figures."),
    ] = Path("report"),
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="A",
            help="What speedup and energy efficiency refer to; no ratios without it.",
            show_default=False,
        ),
    ] = None,
    title: Annotated[
        str, typer.Option("--title", metavar="TEXT", help="Heading of the page.")
    ] = "Simulation results",
) -> None:
    """Put the results of several folders on one page, in one set of tables, and in figures.

    DIR gets report.html, which needs no network and whose rows can be searched, picked, sorted
    and downloaded; layers.csv and .parquet, a row per layer; totals.csv, .parquet, .md and .tex,
    a row per run or point; figures/*.svg; and of single runs run.json, from which all of it can be
    made again.

    Examples:

      escalate report results/sweep --out report --baseline systolic

      escalate report results/a results/b --baseline systolic --out both
    """
    from escalate.app.publish import publish, publish_points
    from escalate.app.results import read_runs
    from escalate.app.sweeps.store import POINTS

    if any((folder / POINTS).is_dir() for folder in folders):
        with terminal.remarks():
            publish_points(out, folders, title=title, baseline=baseline)
    else:
        runs = [run for folder in folders for run in read_runs(folder)]
        facts = {"results": ", ".join(str(folder) for folder in folders)}
        publish(out, runs, title=title, baseline=baseline, facts=facts)
    terminal.say(f"wrote {out}")
    typer.echo(str(out / "report.html"))
