"""escalate assumptions: each assumed number of a machine changed, and what that costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from escalate.cli import options, reading_options, terminal
from escalate.cli.options import Format

if TYPE_CHECKING:
    from escalate.app.assumptions import Assumptions

COLUMNS = ("field", "default", "value", "latency_ratio", "energy_ratio", "dram_ratio", "area_ratio")
HEADINGS = {
    "latency_ratio": "latency",
    "energy_ratio": "energy",
    "dram_ratio": "DRAM",
    "area_ratio": "area",
}


def assumptions(
    source: options.Sources,
    input: reading_options.Input = None,
    output: reading_options.Output = None,
    machine: options.MachineName = "basis_first",
    settings: options.Settings = None,
    images: options.ImageSource = None,
    count: options.Count = 1,
    synthetic: options.SyntheticText = None,
    basis: options.Basis = None,
    seed: options.Seed = None,
    threads: options.Threads = None,
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Also write assumptions.csv and the figure assumptions.svg.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Change every assumed field of a machine, one at a time, and say what that costs.

    Numbers are halved and doubled, choices take each other value.  Ratios are to the unchanged
    machine: 1.10 means a tenth more.

    Examples:

      escalate assumptions resnet18 --synthetic coefficients=0.1,activations=0.45 --out assumed

      escalate assumptions demo/model --machine systolic
    """
    from escalate.app.assumptions import assumptions as vary
    from escalate.app.assumptions import check_target, write_assumptions
    from escalate.app.machines import choose

    feed = options.feed(images, count, synthetic, basis, seed)
    choice = choose(machine, (), settings or ())[0]
    if out is not None:
        check_target(out)
    given = reading_options.source(source, input, output, images)
    with terminal.layer_progress() as watch:
        found = vary(given, choice, feed, watch, threads_used=threads)
    if out is not None:
        write_assumptions(found, out)
        terminal.say(f"wrote {out}")
    _print(found, shape)


def _print(found: "Assumptions", shape: Format) -> None:
    from escalate.app.assumptions import by_weight
    from reports.table import run_notes

    rows = by_weight(found.rows)
    if shape is Format.json:
        from escalate.app.results import dumps

        base = found.base
        head = {"network": base.network, "machine": base.machine, "cycles": base.cycles}
        head |= {"energy_j": base.energy_j, "notes": run_notes(base)}
        typer.echo(dumps({**head, "rows": rows, "refused": list(found.refused)}))
    elif shape is Format.csv:
        import pandas as pd

        typer.echo(pd.DataFrame([*rows, *found.refused]).to_csv(index=False), nl=False)
    else:
        typer.echo(f"{found.base.network} on {found.base.machine} ({found.base.preset})")
        exact = [row | {name: str(row[name]) for name in ("default", "value")} for row in rows]
        terminal.print_table(exact, COLUMNS, HEADINGS)
        for row in found.refused:
            typer.echo(f"refused: {row['field']} = {row['value']}: {row['reason']}")
        terminal.print_notes(run_notes(found.base))
