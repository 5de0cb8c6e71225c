"""escalate demo: the whole job on embedded data."""

from pathlib import Path
from typing import Annotated

import typer

from escalate.cli import options, terminal
from escalate.cli.options import Format

COLUMNS = (
    "form",
    "machine",
    "accuracy",
    "compression_ratio",
    "cycles",
    "latency_s",
    "dram_bytes",
    "energy_j",
    "speedup",
    "multipliers",
)
HEADINGS = {
    "form": "network",
    "accuracy": "accu-\nracy",
    "compression_ratio": "com-\npression",
    "dram_bytes": "DRAM",
    "multipliers": "multi-\npliers",
}


def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the model and the page.")
    ] = Path("demo"),
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
) -> None:
    """Train a small network on real digits, compress it, and simulate it; under two minutes.

    Prints one table and leaves DIR/report.html, DIR/model and the results beside them. The logits
    that follow from the machines' psums are checked against the integer network, bit for bit.

    Examples:

      escalate demo

      escalate demo --out /tmp/demo && escalate simulate /tmp/demo/model --count 20
    """
    from escalate.app.demo import demo as run

    terminal.say("training, compressing and simulating a small network on handwritten digits")
    with terminal.layer_progress() as watch:
        made = run(out, watch=watch)
    thing = {"page": str(out / "report.html"), "model": str(out / "model"), "rows": made.rows}
    if terminal.print_data(shape, thing, made.rows):
        return
    terminal.print_table(made.rows, COLUMNS, HEADINGS)
    typer.echo(
        f"accuracy: on {made.model.images} test images; cycles to energy: one batch of "
        f"{made.images} of them\n"
        f"checked: the logits from every machine's psums are those of the integer network in torch"
        f"\ntiny: {', '.join(made.tiny)}"
    )
    typer.echo(f"page: {out / 'report.html'}   model: {out / 'model'}")
