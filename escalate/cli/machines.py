"""escalate machines: what there is, and one machine as TOML."""

from typing import Annotated

import typer

from escalate.cli import completion, options, terminal
from escalate.cli.help_text import Command, Group
from escalate.cli.options import Format

app = typer.Typer(cls=Group, invoke_without_command=True, rich_markup_mode="rich")


@app.callback()
def machines(
    context: typer.Context, shape: options.Shape = Format.table, wide: options.Wide = False
) -> None:
    """List the machines there are; `machines show NAME` prints one as TOML.

    Machines of other installed distributions are listed after ours. If one cannot be used, a
    note says why.

    Examples:

      escalate machines

      escalate machines --format json

      escalate machines show basis_first > my.toml
    """
    if context.invoked_subcommand is None:
        from escalate.app.machines import machine_rows

        rows = machine_rows()
        if not terminal.print_data(shape, {"machines": rows}, rows):
            terminal.print_table(rows, ("machine", "presets", "what", "source"))
            terminal.print_notes([row["problem"] for row in rows if row["problem"]])


@app.command("show", cls=Command)
def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A machine's name.", show_default=False, autocompletion=completion.machine_names
        ),
    ],
    preset: Annotated[
        str,
        typer.Option("--preset", metavar="P", help="One preset; the machine's first by default."),
    ] = "",
    settings: options.Settings = None,
) -> None:
    """Print a machine as a TOML file that --machine reads back, each field with its meaning.

    Examples:

      escalate machines show systolic --preset tiny

      escalate machines show basis_first --set pe_blocks=16 > my.toml
    """
    from escalate.app.machines import choose, to_toml

    chosen = choose(name, (preset,) if preset else (), settings or ())
    typer.echo(to_toml(chosen[0]), nl=False)
