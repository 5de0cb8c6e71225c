"""escalate pareto: accuracy, size, cycles and energy of one network at several sizes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from escalate.cli import options, terminal
from escalate.cli.options import Format

if TYPE_CHECKING:
    from escalate.app.pareto import Pareto

COLUMNS = (
    "ratio",
    "stored_bytes",
    "compression_ratio",
    "accuracy",
    "agreement",
    "cycles",
    "energy_j",
    "on_front",
)
HEADINGS = {"compression_ratio": "reached", "ratio": "asked"}


def pareto(
    network: options.NetworkName,
    ratios: Annotated[
        str,
        typer.Option("--ratios", metavar="A,B,C", help="How many times smaller than FP32."),
    ] = "10,20,40",
    checkpoint: options.Checkpoint = None,
    data: options.DataName = "digits",
    config: options.ConfigFile = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs", metavar="N", show_default=False, help="Of retraining; 8 by default."
        ),
    ] = None,
    seed: options.TrainingSeed = None,
    machine: options.MachineName = "basis_first",
    count: options.Count = 1,
    held_out: options.HeldOut = None,
    size: options.Side = None,
    mean: options.Mean = None,
    std: options.Std = None,
    limit: options.Limit = None,
    device: options.Device = "auto",
    threads: options.TrainingThreads = None,
    shape: options.Shape = Format.table,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder to write and to go on in.")
    ] = Path("pareto"),
) -> None:
    """Compress a network to several sizes, simulate each, and show what every size costs.

    Each row is one compressed model, a folder under DIR/points: its accuracy, its bytes on disk,
    and the cycles and energy of the machine that multiplies these very integers. A row is on the
    front unless another is at least as good in all four. A run that was killed goes on.

    Examples:

      escalate pareto digits_cnn --checkpoint demo/network.safetensors --ratios 10,30,60
    """
    import torch

    from escalate.app.compress import Data, options_in, options_of
    from escalate.app.pareto import pareto as run
    from escalate.app.pareto import write_pareto

    if threads is not None:
        torch.set_num_threads(threads)
    terminal.say_running(network)
    fields = {} if config is None else options_in(config)
    given = {"epochs": epochs, "seed": seed}
    fields |= {name: value for name, value in given.items() if value is not None}
    with terminal.sizes_progress(options_of(fields).epochs) as watch:
        found = run(
            network,
            options.numbers(ratios, "--ratios") or (),
            checkpoint=checkpoint,
            data=Data(data, *options.sight(size, mean, std), limit, held_out),
            out=out,
            machine=machine,
            count=count,
            device=device,
            watch=watch,
            **fields,
        )
    write_pareto(found, out)
    _print(found, shape, out)


def _print(found: "Pareto", shape: Format, out: Path) -> None:
    if shape is Format.json:
        from escalate.app.results import dumps

        head = {"network": found.network, "machine": found.machine, "images": found.images}
        typer.echo(dumps({**head, "rows": found.rows}))
    elif shape is Format.csv:
        typer.echo(found.frame().to_csv(index=False), nl=False)
    else:
        terminal.print_table(found.rows, COLUMNS, HEADINGS)
        images = "image" if found.images == 1 else "images"
        typer.echo(
            f"{found.network}: cycles and energy of {found.images} {images} on {found.machine}\n"
            f"written to {out}"
        )
