"""main: the command `escalate`; every sub-command is a thin shell over escalate.app."""

import os
import sys
from typing import Annotated

import typer

from escalate.cli import (
    assumptions,
    compare,
    compress,
    decode,
    demo,
    diff,
    encode,
    ending,
    footprint,
    latents,
    machines,
    networks,
    orders,
    pareto,
    report,
    score,
    sensitivity,
    simulate,
    sweep,
    terminal,
    trace,
    validate,
    verify,
)
from escalate.cli.help_text import Command, Group
from escalate.cli.names import check_neighbours
from escalate.cli.numbers import bounded
from escalate.cli.option_flags import OptionCommand
from escalate.version import VERSION

EXIT_CODES = (
    "Exit codes: 0 success; 1 a bug in escalate, with its traceback; 2 bad input, one line on "
    "stderr; 130 interrupted, 143 terminated."
)

app = typer.Typer(
    name="escalate",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)
app.command("demo", cls=Command)(demo.demo)
app.command("compress", cls=OptionCommand)(compress.compress)
app.command("footprint", cls=Command)(footprint.footprint)
app.command("encode", cls=Command)(encode.encode)
app.command("decode", cls=Command)(decode.decode)
app.command("latents", cls=Command)(latents.latents)
app.command("sensitivity", cls=Command)(sensitivity.sensitivity)
app.command("pareto", cls=Command)(pareto.pareto)
app.command("simulate", cls=Command)(simulate.simulate)
app.command("compare", cls=Command)(compare.compare)
app.command("sweep", cls=Command)(sweep.sweep)
app.command("diff", cls=Command)(diff.diff)
app.command("report", cls=Command)(report.report)
app.command("score", cls=Command)(score.score)
app.command("verify", cls=Command)(verify.verify)
app.command("validate", cls=Command)(validate.validate)
app.command("trace", cls=Command)(trace.trace)
app.command("orders", cls=Command)(orders.orders)
app.command("assumptions", cls=Command)(assumptions.assumptions)
app.add_typer(machines.app, name="machines")
app.add_typer(networks.app, name="networks")
bounded(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"escalate {VERSION}")
        raise typer.Exit


@app.callback()
def escalate(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Results on stdout and errors on stderr only.")
    ] = False,
) -> None:
    """Compress a network into basis kernels and ternary coefficients, and simulate it.

    From a trained network to cycles, DRAM bytes, energy and a page, on real tensors.
    Start with [bold]escalate demo[/bold]; it needs no data of yours and takes under two minutes.
    """
    terminal.be_quiet(quiet)


def main() -> None:
    """Run the command line; see ``escalate.cli.ending`` for how it ends."""
    ending.listen()
    try:
        check_neighbours()
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(ending.INTERRUPTED)
    except Exception as error:
        if ending.asked():
            sys.exit(ending.asked())
        lines = ending.told(error)
        if lines is None:
            raise
        for line in lines:
            typer.echo(f"error: {line}", err=True)
        sys.exit(ending.BAD_INPUT)
    sys.exit(ending.asked() or (code if isinstance(code, int) else 0))


if __name__ == "__main__":
    main()
