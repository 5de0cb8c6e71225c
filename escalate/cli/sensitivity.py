"""escalate sensitivity: what each layer's bits buy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from escalate.cli import options, reading_options, terminal
from escalate.cli.options import Format

if TYPE_CHECKING:
    from escalate.app.sensitivity import Sensitivity

COLUMNS = ("layer", "form", "stored_bytes", "squared_error", "divergence", "agreement")


ImageCount = Annotated[
    int, typer.Option("--images", metavar="N", min=1, help="Training images to measure on.")
]
Mixed = Annotated[bool, typer.Option("--mixed", help="Try 8 bits and fewer for every layer too.")]
Scales = Annotated[
    str, typer.Option("--scales", metavar="KIND", help="Of the coefficients; see compress.")
]
Weighting = Annotated[
    str, typer.Option("--weighting", metavar="KIND", help="none, or inputs; see compress.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        show_default=False,
        help="Also write sensitivity.csv and the figure sensitivity.svg.",
    ),
]


def sensitivity(
    network: options.NetworkName,
    input: reading_options.Input = None,
    output: reading_options.Output = None,
    checkpoint: options.Checkpoint = None,
    data: options.DataName = options.DIGITS,
    images: ImageCount = 256,
    mixed: Mixed = False,
    scales: Scales = "separable",
    weighting: Weighting = "none",
    resize: options.Resize = None,
    crop: options.Crop = None,
    mean: options.Mean = None,
    std: options.Std = None,
    units: options.Units = 1,
    classes: options.TrainedClasses = None,
    device: options.Device = "auto",
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
    out: Out = None,
) -> None:
    """Measure each layer's rate-distortion curve: bytes against how far the answers move.

    One layer at a time is compressed in many forms, all others stay as they are. Divergence is the
    mean Kullback-Leibler divergence of the class probabilities from the original network's, in
    nats; agreement is the share of images with the same first answer. The table shows the lower
    convex hull, from which compress --ratio chooses; the CSV has every point.

    Examples:

      escalate sensitivity digits_cnn --checkpoint demo/network.safetensors --out curves

      escalate sensitivity mine.py:build --checkpoint mine.pt --data cifar10:cifar-10-batches-py
    """
    from escalate.app.sensitivity import check_target, write_sensitivity
    from escalate.app.sensitivity import sensitivity as measure

    if out is not None:
        check_target(out)
    terminal.say_running(network)
    where = options.images(data, crop, mean, std, resize=resize, units=units, classes=classes)
    how: dict[str, Any] = {
        "mixed": mixed,
        "scales": scales,
        "weighting": weighting,
        "calibration_images": images,
    }
    about: dict[str, Any] = {"checkpoint": checkpoint, "data": where, "device": device}
    about |= {"input": input, "output": output}
    with terminal.bar() as watch:
        found = measure(network, watch=watch, **about, **how)
    if out is not None:
        write_sensitivity(found, out)
        terminal.say(f"wrote {out}")
    _print(found, shape)


def _print(found: "Sensitivity", shape: Format) -> None:
    if shape is Format.json:
        from escalate.app.results import dumps

        head = {"network": found.network, "images": found.images, "notes": found.notes}
        typer.echo(dumps({**head, "rows": found.rows}))
    elif shape is Format.csv:
        typer.echo(found.frame().to_csv(index=False), nl=False)
    else:
        terminal.print_table([row for row in found.rows if row["on_hull"]], COLUMNS)
        typer.echo(f"{found.network}: measured on {found.images} training images, no labels used")
        terminal.print_notes(found.notes)
