"""escalate networks: those known by name, and the shapes of their layers."""

from typing import Annotated

import typer

from escalate.cli import options, terminal
from escalate.cli.options import Format

app = typer.Typer(invoke_without_command=True, rich_markup_mode="rich")


@app.callback()
def networks(context: typer.Context) -> None:
    """List the networks known by name; `networks show NAME` prints the layers of one.

    Examples:

      escalate networks

      escalate networks show digits_cnn
    """
    if context.invoked_subcommand is None:
        from escalate.app.networks import network_rows

        terminal.print_table(network_rows(), ("network", "layers", "parameters", "macs", "what"))


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A network's name.", show_default=False)],
    shape: options.Shape = Format.table,
) -> None:
    """Print the layers of a network: C input and K output channels, R x S kernels, P x Q outputs.

    Examples:

      escalate networks show digits_cnn

      escalate networks show digits_cnn --format csv
    """
    from escalate.app.networks import layer_rows, network

    listed = network(name)
    rows = layer_rows(listed)
    if shape is Format.json:
        from escalate.app.results import dumps

        typer.echo(dumps({"network": listed.name, "source": listed.source, "layers": rows}))
    elif shape is Format.csv:
        lines = [list(rows[0]), *(list(map(str, row.values())) for row in rows)]
        for line in lines:
            typer.echo(",".join(f'"{cell}"' if "," in cell else cell for cell in line))
    else:
        typer.echo(f"{listed.name}: {listed.summary}\nsource: {listed.source}")
        terminal.print_table(rows, tuple(rows[0]))
