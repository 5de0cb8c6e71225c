"""escalate pareto: several methods at several sizes: accuracy, bytes, cycles and energy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from escalate.cli import options, reading_options, terminal
from escalate.cli.options import Format

if TYPE_CHECKING:
    from escalate.app.pareto import Pareto

COLUMNS = (
    "method",
    "asked",
    "stored_bytes",
    "compression_ratio",
    "accuracy",
    "interval",
    "machine",
    "latency_s",
    "energy_j",
    "on_front",
)
HEADINGS = {
    "compression_ratio": "ratio",
    "accuracy": "accu-\nracy",
    "agreement": "agree-\nment",
    "on_front": "front",
}


Ratios = Annotated[
    str, typer.Option("--ratios", metavar="A,B,C", help="How many times smaller than FP32.")
]
Methods = Annotated[
    str,
    typer.Option(
        "--methods",
        metavar="A,B,C",
        help="Names as compress --method takes them; int8 is always there.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        show_default=False,
        help="A .toml file with any options; those that do not apply to a method are ignored for "
        "it. A table of a method's name has options for it alone. Options given here override it.",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option("--epochs", metavar="N", show_default=False, help="Of retraining; 8 by default."),
]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="The folder to write and to go on in.")
]


def pareto(
    network: options.NetworkName,
    input: reading_options.Input = None,
    output: reading_options.Output = None,
    ratios: Ratios = "10,20,40",
    methods: Methods = "escalate",
    checkpoint: options.Checkpoint = None,
    data: options.DataName = options.DIGITS,
    config: Config = None,
    epochs: Epochs = None,
    seed: options.TrainingSeed = None,
    machines: options.Machines = "basis_first",
    count: options.Count = 1,
    held_out: options.HeldOut = None,
    resize: options.Resize = None,
    crop: options.Crop = None,
    mean: options.Mean = None,
    std: options.Std = None,
    units: options.Units = 1,
    classes: options.TrainedClasses = None,
    limit: options.Limit = None,
    device: options.Device = "auto",
    threads: options.TrainingThreads = None,
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
    out: Out = Path("pareto"),
) -> None:
    """Compress a network by several methods to several sizes, simulate each, and compare.

    Each row is one compressed model, a folder DIR/points/METHOD-RATIO: its accuracy, its bytes on
    disk, and the cycles and energy of the machine that multiplies these very integers; of several
    machines the one of the lowest energy x delay. A row is on the front unless another is at least
    as good in accuracy, bytes, latency and energy, and better in one. If a method cannot reach a
    size, its row says so. The plain 8-bit network is always there. A run that was killed goes on;
    finished models are not made again.

    DIR also gets pareto.csv, machines.csv (every model on every machine), table.md, table.tex,
    pareto.svg, distortion.svg and page.html.

    Examples:

      escalate pareto digits_cnn --checkpoint demo/network.safetensors --ratios 10,30,60

      escalate pareto mine.onnx --data my-images --methods escalate,prune --machines all

      escalate pareto mine.onnx --data my-images --methods prune,rate_distortion --config all.toml
    """
    options.use_threads(threads)
    terminal.say_running(network)
    images = options.images(
        data, crop, mean, std, limit, held_out, resize=resize, units=units, classes=classes
    )
    given = {"epochs": epochs, "seed": seed}
    about: dict[str, Any] = {"checkpoint": checkpoint, "data": images, "count": count}
    about |= {"device": device, "input": input, "output": output}
    names: dict[str, Any] = {"methods": options.words(methods), "machines": options.words(machines)}
    sizes = options.numbers(ratios, "--ratios") or ()
    _print(_compared(network, sizes, config, given, out=out, **about, **names), shape, out)


def _compared(
    network: str,
    ratios: Sequence[float],
    config: Path | None,
    given: Mapping[str, Any],
    **about: Any,
) -> "Pareto":
    """Compress, simulate and write, what is given over what the file says."""
    from escalate.app.fronts.points import Recipe, recipe_in
    from escalate.app.fronts.publish import write_pareto
    from escalate.app.pareto import pareto as run

    there = {name: value for name, value in given.items() if value is not None}
    recipe = (Recipe() if config is None else recipe_in(config)).over(there)
    with terminal.model_progress(None) as watch:
        found = run(network, ratios, own=recipe.own, watch=watch, **about, **recipe.shared)
    write_pareto(found, about["out"])
    return found


def _print(found: "Pareto", shape: Format, out: Path) -> None:
    from reports.front_figures import gained
    from reports.front_page import BEST, problems, readable, remarks

    names = ("network", "images", "rows", "machine_rows", "notes")
    thing = {name: getattr(found, name) for name in names}
    if terminal.print_data(shape, thing, found.rows):
        return
    rows = readable(found.rows)
    quality = gained(found.rows)
    columns = [quality if name == "accuracy" else name for name in COLUMNS]
    terminal.print_table(rows, columns, HEADINGS)
    images = "image" if found.images == 1 else "images"
    told = f"{found.network}: latency and energy of {found.images} {images}"
    original = found.rows[0]["accuracy_original"]
    if original is not None:
        told += f"; accuracy of the original {original:.1%}"
    typer.echo(f"{told}\n{BEST}")
    terminal.print_notes([*remarks(rows), *found.notes, *problems(rows)])
    typer.echo(f"written to {out}")
