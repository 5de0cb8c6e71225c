"""escalate trace: one layer, cycle by cycle, for the Perfetto viewer."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from escalate.cli import options, reading_options, terminal
from escalate.cli.options import Format

LayerName = Annotated[
    str, typer.Option("--layer", metavar="NAME", help="The layer to trace.", show_default=False)
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="FILE",
        help="A .json file, or .json.gz for a compressed one.",
        show_default=False,
    ),
]
Preset = Annotated[
    str, typer.Option("--preset", metavar="P", help="One preset; the machine's first by default.")
]
FromCycle = Annotated[
    int, typer.Option("--from-cycle", metavar="N", min=0, help="Leave out what is earlier.")
]
ToCycle = Annotated[
    int | None,
    typer.Option(
        "--to-cycle", metavar="N", min=1, help="Leave out what is later.", show_default=False
    ),
]


def trace(
    source: options.Sources,
    layer: LayerName,
    out: Out,
    input: reading_options.Input = None,
    output: reading_options.Output = None,
    machine: options.MachineName = "basis_first",
    preset: Preset = "",
    settings: options.Settings = None,
    images: options.ImageSource = None,
    count: options.Count = 1,
    synthetic: options.SyntheticText = None,
    basis: options.Basis = None,
    seed: options.Seed = None,
    from_cycle: FromCycle = 0,
    to_cycle: ToCycle = None,
    threads: options.Threads = None,
    shape: options.Shape = Format.table,
) -> None:
    """Write a layer's timeline, cycle by cycle, for https://ui.perfetto.dev or chrome://tracing.

    It shows steps, DRAM requests, the broadcast, what every PE block works on or waits for, its
    CA units, and how full its buffers are.  1 microsecond in the viewer is 1 cycle.  At most
    3,000,000 events are written; a part of a large layer is chosen with --from-cycle, --to-cycle.

    Examples:

      escalate trace demo/model --layer stem.0 --out stem.json.gz

      escalate trace conv1.npz --layer conv1 --from-cycle 1000 --to-cycle 3000 --out part.json

      escalate trace topology.csv --layer conv1 --machine systolic --out conv1.json

      escalate trace resnet18 --synthetic coefficients=0.1,activations=0.45 --layer conv1 --out a.gz
    """
    from escalate.app.machines import choose
    from escalate.app.trace import Request, Window

    feed = options.feed(images, count, synthetic, basis, seed)
    request = Request(
        reading_options.source(source, input, output, images),
        layer,
        choose(machine, options.words(preset), settings or ()),
        out,
        feed,
        Window(from_cycle, to_cycle),
        threads,
    )
    with terminal.layer_progress() as watch:
        done = request.run(watch)
    row = {**asdict(done), "path": str(done.path)}
    if terminal.print_data(shape, row, [row]):
        return
    whose = ", synthetic tensors" if done.origin == "synthetic" else ""
    typer.echo(
        f"{done.path}: {done.layer}, cycles {done.first}..{done.last} of {done.cycles}, "
        f"{done.events:,} events{whose}"
    )
