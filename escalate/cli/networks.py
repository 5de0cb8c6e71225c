"""escalate networks: those known by name, and the shapes of any source's layers."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from escalate.cli import options, reading_options, terminal
from escalate.cli.help_text import Command, Group
from escalate.cli.options import Format

if TYPE_CHECKING:
    from escalate.app.interchange import Shown

app = typer.Typer(cls=Group, invoke_without_command=True, rich_markup_mode="rich")


class LayerFormat(StrEnum):
    """How layers are printed: for people and programs, or for other simulators."""

    table = "table"
    csv = "csv"
    json = "json"
    scalesim = "scalesim"
    timeloop = "timeloop"


@app.callback()
def networks(
    context: typer.Context, shape: options.Shape = Format.table, wide: options.Wide = False
) -> None:
    """List the networks known by name; `networks show NAME` prints the layers of one.

    Examples:

      escalate networks

      escalate networks --format csv

      escalate networks show digits_cnn
    """
    if context.invoked_subcommand is None:
        from escalate.app.networks import network_rows

        rows = network_rows()
        if not terminal.print_data(shape, {"networks": rows}, rows):
            terminal.print_table(rows, ("network", "layers", "parameters", "macs", "what"))


@app.command("show", cls=Command)
def show(
    source: options.Sources,
    input: reading_options.Input = None,
    output: reading_options.Output = None,
    shape: Annotated[
        LayerFormat,
        typer.Option("--format", help="scalesim: a topology CSV. timeloop: a problem per layer."),
    ] = LayerFormat.table,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="With --format timeloop: a new folder with a file per layer.",
            show_default=False,
        ),
    ] = None,
    wide: options.Wide = False,
) -> None:
    """Print the layers of a network: C input and K output channels, R x S kernels, P x Q outputs.

    Any source will do: an ONNX file, a compressed folder, own tensors, a topology. For other
    simulators they are written in their own words; what those cannot say is told on stderr.

    Examples:

      escalate networks show digits_cnn

      escalate networks show digits_cnn --format csv

      escalate networks show resnet18 --format scalesim > resnet18.csv

      escalate networks show mine.onnx --format timeloop --out problems
    """
    from escalate.app.interchange import documents, scalesim, shown, timeloop, write_folder

    if out is not None and shape is not LayerFormat.timeloop:
        raise typer.BadParameter("goes with --format timeloop", param_hint="--out")
    found = shown(reading_options.source(source, input, output))
    if shape is LayerFormat.scalesim:
        text, notes = scalesim(found)
        typer.echo(text, nl=False)
        for note in notes:
            terminal.tell(note)
    elif shape is not LayerFormat.timeloop:
        _print(found, Format(shape.value))
    elif out is None:
        typer.echo(documents(timeloop(found)), nl=False)
    else:
        write_folder(timeloop(found), out)
        typer.echo(str(out))


def _print(found: "Shown", shape: Format) -> None:
    from escalate.app.networks import layer_rows

    rows = layer_rows(found.layers)
    head = {"network": found.name, "source": found.source, "layers": rows}
    if not terminal.print_data(shape, head, rows):
        typer.echo(f"{found.name}: {found.summary}\nsource: {found.source}")
        terminal.print_table(rows, tuple(rows[0]))
        terminal.print_notes(found.notes)
