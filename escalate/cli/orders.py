"""escalate orders: coefficients first against convolve first, counted."""

from typing import TYPE_CHECKING, Annotated

import typer

from escalate.cli import options, reading_options, terminal
from escalate.cli.options import Format

if TYPE_CHECKING:
    from escalate.app.orders import Orders

HEADINGS = {
    "coefficients_first_multiplies": "multiplies B",
    "convolve_first_multiplies": "A",
    "coefficients_first_adds": "adds B",
    "convolve_first_adds": "A",
    "coefficients_first_intermediate_bytes": "held B",
    "convolve_first_intermediate_bytes": "A",
    "intermediate_ratio": "A/B",
}
COLUMNS = ("layer", *HEADINGS)


def orders(
    source: options.Sources,
    input: reading_options.Input = None,
    output: reading_options.Output = None,
    machine: Annotated[
        str,
        typer.Option("--machine", metavar="NAME", help="basis_first, or a .toml file of one."),
    ] = "basis_first",
    settings: options.Settings = None,
    images: options.ImageSource = None,
    count: options.Count = 1,
    synthetic: options.SyntheticText = None,
    basis: options.Basis = None,
    seed: options.Seed = None,
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
) -> None:
    """Count both orders of the two stages of decomposed layers on the same tensors.

    Coefficients first sums activations under ternary coefficients and convolves each sum as it
    comes, so a line buffer is held between the stages.  Convolve first, the predecessor's order,
    convolves every input channel with every basis kernel and holds the whole map.

    Examples:

      escalate orders demo/model --count 10

      escalate orders resnet18 --synthetic coefficients=0.1,activations=0.45
    """
    from escalate.app.machines import choose
    from escalate.app.orders import orders as count_orders
    from escalate.app.orders import orders_object
    from escalate.app.results import dumps

    feed = options.feed(images, count, synthetic, basis, seed)
    choice = choose(machine, (), settings or ())[0]
    given = reading_options.source(source, input, output, images)
    with terminal.layer_progress() as watch:
        found = count_orders(given, choice, feed, watch)
    if shape is Format.json:
        typer.echo(dumps(orders_object(found)))
    elif shape is Format.csv:
        import pandas as pd

        rows = [*found.layers, found.totals]
        typer.echo(pd.DataFrame(rows).to_csv(index=False), nl=False)
    else:
        _print(found)


def _print(found: "Orders") -> None:
    typer.echo(f"{found.network}: the two stages in both orders")
    terminal.print_table([*found.layers, found.totals], COLUMNS, HEADINGS)
    typer.echo("B: coefficients first, this machine; A: convolve first, the predecessor")
    typer.echo("held: between the stages for one image; the most of any layer, not their sum")
    if found.skipped:
        typer.echo(f"no two stages: {', '.join(found.skipped)}")
    terminal.print_notes(found.notes)
