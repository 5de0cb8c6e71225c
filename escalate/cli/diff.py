"""escalate diff: two results, layer by layer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from escalate.cli import options, terminal
from escalate.cli.options import Format

if TYPE_CHECKING:
    import pandas as pd

    from escalate.app.diff import Difference

COLUMNS = (
    "layer",
    "cycles_a",
    "cycles_b",
    "cycles_ratio",
    "energy_j_ratio",
    "dram_bytes_ratio",
    "why",
)
HEADINGS = {
    "cycles_a": "cycles\nof A",
    "cycles_b": "cycles\nof B",
    "cycles_ratio": "B / A",
    "energy_j_ratio": "energy\nB / A",
    "dram_bytes_ratio": "DRAM\nB / A",
}


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A results folder.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
) -> None:
    """Say what changed between two results, layer by layer, and what can have changed it.

    Points of sweeps are compared with those with the same network, machine and axes.

    Examples:

      escalate diff results/before results/after

      escalate diff results/a results/b --format csv > changes.csv
    """
    from escalate.app.diff import diff as differences

    with terminal.remarks():
        found = differences(a, b)
    layers = _records(found.layers)
    thing = {
        "causes": found.causes,
        "only_a": found.only_a,
        "only_b": found.only_b,
        "layers": layers,
    }
    if not terminal.print_data(shape, thing, layers):
        _print(found, a, b)


def _print(found: "Difference", a: Path, b: Path) -> None:
    for pair, causes in found.causes.items():
        own = found.layers[found.layers["pair"] == pair]
        changed = _records(own[own["changed"]])
        typer.echo(f"{pair}: {len(changed)} of {len(own)} layers changed")
        for cause in causes:
            typer.echo(f"  {cause}")
        if changed:
            terminal.print_table([*changed, _total(own)], COLUMNS, HEADINGS)
    for name, points in ((a, found.only_a), (b, found.only_b)):
        if points:
            typer.echo(f"only in {name}: {len(points)} points")


def _records(layers: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows with plain numbers; None where there is none."""
    plain = layers.astype(object).where(layers.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def _total(layers: "pd.DataFrame") -> dict[str, Any]:
    row: dict[str, Any] = {"layer": "all layers", "why": ""}
    for name in ("cycles", "energy_j", "dram_bytes"):
        first, second = (sum(layers[f"{name}_{side}"].tolist()) for side in "ab")
        row |= {f"{name}_a": first, f"{name}_b": second}
        row[f"{name}_ratio"] = second / first if first else None
    return row
