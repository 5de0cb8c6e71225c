"""escalate sweep: a file of axes, simulated point by point into a folder that resumes."""

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from escalate.cli import options, terminal
from escalate.cli.options import Format

if TYPE_CHECKING:
    from escalate.app.sweep import Sweep, Swept

MOST_REASONS = 5  # of refusals that are spelled out


def sweep(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The sweep, a .toml file.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Results; finished points are not computed again."
        ),
    ] = Path("results"),
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, help="Processes of this machine.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="tcp://HOST:PORT",
            help="An existing Dask cluster instead; its workers must see the same files.",
            show_default=False,
        ),
    ] = None,
    threads: options.Threads = None,
    dry_run: options.DryRun = False,
    shape: options.Shape = Format.table,
) -> None:
    """Simulate networks, compressions, machines and fields in all combinations of a file.

    Everything is checked before anything runs. A sweep that is killed goes on where it was, and
    results do not depend on who computed them. What the file may hold: docs/sweeps.md.

    Examples:

      escalate sweep lookahead.toml --out results/lookahead --dry-run

      escalate sweep lookahead.toml --out results/lookahead --workers 2

      escalate sweep lookahead.toml --scheduler tcp://10.0.0.5:8786
    """
    from escalate.app.sweep import check, make_models, planned, run_sweep

    wanted = planned(file, out)
    told = _plan_rows(wanted, workers, out)
    if dry_run:
        _print_plan(told, shape)
        return
    check(out, workers=workers, scheduler=scheduler)
    if shape is Format.table:
        _print_plan(told, shape)
    if wanted.compressions:
        with terminal.model_progress(len(wanted.compressions)) as models:
            wanted = make_models(wanted, out, models)
    started = time.perf_counter()
    with terminal.point_progress(len(wanted.found.points)) as watch:
        done = run_sweep(
            wanted, out, workers=workers, scheduler=scheduler, threads=threads, watch=watch
        )
    _print_done(done, time.perf_counter() - started, shape)


def _plan_rows(wanted: "Sweep", workers: int, out: Path) -> dict[str, Any]:
    """What will be run, counted."""
    points, waiting = wanted.found.points, wanted.found.waiting
    machines = {point.choice.machine.name for point in points}
    found: dict[str, Any] = {
        "points": len(points) + len(waiting),
        "networks": len({point.texts for point in points}) + len({name for name, _ in waiting}),
        "machines": len(machines | {machine for _, machine in waiting}),
        "waiting": dict(Counter(name for name, _ in waiting)),
        "drawn_twice": wanted.found.twice,
        "models_to_make": len(wanted.compressions),
    }
    if points:
        found |= wanted.estimate(out).told(workers)
    return found


def _print_plan(told: dict[str, Any], shape: Format) -> None:
    if shape is not Format.table:
        terminal.print_estimate(told, shape)
        return
    counted = ", ".join(_counted(told[name], name) for name in ("points", "networks", "machines"))
    typer.echo(counted)
    if told["drawn_twice"]:
        typer.echo(f"{told['drawn_twice']} samples were drawn twice and count once")
    if told["waiting"]:
        names = ", ".join(f"{name} {count}" for name, count in told["waiting"].items())
        typer.echo(f"{sum(told['waiting'].values())} of the points wait for compression: {names}")
    if told["models_to_make"]:
        typer.echo(f"{told['models_to_make']} models are compressed first, unless they are there")
    terminal.print_estimate(told, shape)


def _counted(number: int, name: str) -> str:
    """A number with its noun.

    Examples
    --------
    >>> _counted(1, "points"), _counted(2, "points")
    ('1 point', '2 points')
    """
    return f"{number} {name.removesuffix('s') if number == 1 else name}"


def _print_done(done: "Swept", seconds: float, shape: Format) -> None:
    thing: dict[str, Any] = {
        "results": str(done.folder),
        "points": done.points,
        "computed": len(done.computed),
        "there": len(done.there),
        "refused": [{"point": key, "reason": reason} for key, reason in done.refused],
        "torn": list(done.torn),
        "seconds": round(seconds, 3),
    }
    row = {name: len(v) if isinstance(v, list) else v for name, v in thing.items()}
    if terminal.print_data(shape, thing, [row]):
        return
    typer.echo(
        f"{len(done.computed)} computed in {seconds:.1f} s, {len(done.there)} were there, "
        f"{len(done.refused)} refused; see them with: escalate report {done.folder}"
    )
    reasons = list(dict.fromkeys(reason for _, reason in done.refused))
    more = len(reasons) - MOST_REASONS
    terminal.print_notes(
        [f"computed again: {line}" for line in done.torn]
        + [f"refused: {reason}" for reason in reasons[:MOST_REASONS]]
        + ([f"{more} more reasons stand in the results"] if more > 0 else [])
    )
