"""escalate decode: the arrays of a file that encode wrote."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from escalate.cli import options, terminal
from escalate.cli.options import Format

COLUMNS = ("array", "dtype", "shape", "values")


def decode(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="What encode wrote.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="ARRAYS",
            help="An .npz file to write, or an .npy file of a single array.",
            show_default=False,
        ),
    ] = None,
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
) -> None:
    """Decode the arrays of a file, the same values on every machine.

    Without --out it checks the file and tells what is in it.

    Examples:

      escalate decode words.vbq --out words.npy

      escalate decode model.vbq
    """
    from escalate.app.decode import decode as read
    from escalate.app.decode import described

    rows = [asdict(row) for row in described(read(file, out))]
    thing = {"file": str(file), "path": out and str(out), "arrays": rows}
    flat = [{**row, "shape": " x ".join(map(str, row["shape"]))} for row in rows]
    if terminal.print_data(shape, thing, flat):
        return
    terminal.print_table(flat, COLUMNS)
