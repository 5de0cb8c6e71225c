"""escalate footprint: where a compressed model's bytes are."""

from pathlib import Path
from typing import Annotated

import typer

from escalate.cli import options, terminal
from escalate.cli.options import Format

LAYERS = (
    "layer",
    "form",
    "M",
    "weights",
    "density",
    "coding",
    "bits_per_weight",
    "coefficient_bytes",
    "basis_bytes",
    "requantizer_bytes",
)
HEADINGS = {
    "bits_per_weight": "bits per\nweight",
    "coefficient_bytes": "coefficients",
    "basis_bytes": "basis",
    "requantizer_bytes": "scales",
    "effective_bits": "bits of each basis kernel",
}


def footprint(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="A compressed model folder.", show_default=False),
    ],
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
) -> None:
    """Show where a compressed model's bytes are: by layer, by format, and counted in four ways.

    Every number counts encoded bytes, except the lower bound. Bits per weight are the stored bits
    divided by the number of dense weights that they replace.

    Examples:

      escalate footprint demo/model

      escalate footprint my-model --format csv > sizes.csv
    """
    from escalate.app.footprint import layer_table, size_table
    from escalate.store.model_file import load
    from workloads.formats import FORMATS

    model = load(folder)
    rows, totals = layer_table(model), size_table(model)
    if shape is Format.json:
        from escalate.app.results import dumps

        typer.echo(dumps({"network": model.graph.name, "sizes": totals, "layers": rows}))
    elif shape is Format.csv:
        import pandas as pd

        typer.echo(pd.DataFrame(rows).to_csv(index=False), nl=False)
    else:
        terminal.print_table(rows, LAYERS, HEADINGS)
        named = [row | {name: row.get(f"{name}_bytes") for name in FORMATS} for row in rows]
        ternary = [row for row in named if row["form"] != "8 bit"]
        if ternary:
            terminal.print_table(ternary, ("layer", *FORMATS, "effective_bits"), HEADINGS)
        terminal.print_table(totals, ("counted", "stored_bytes", "compression_ratio", "what"))
