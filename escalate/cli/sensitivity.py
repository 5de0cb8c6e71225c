"""escalate sensitivity: what each layer's bits buy."""

from pathlib import Path
from typing import Annotated

import typer

from escalate.cli import options, terminal
from escalate.cli.options import Format

COLUMNS = ("layer", "form", "stored_bytes", "squared_error", "divergence", "agreement")


def sensitivity(
    network: options.NetworkName,
    checkpoint: options.Checkpoint = None,
    data: options.DataName = options.DIGITS,
    images: Annotated[
        int, typer.Option("--images", metavar="N", min=1, help="Training images to measure on.")
    ] = 256,
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Try 8 bits and fewer for every layer too.")
    ] = False,
    scales: Annotated[
        str, typer.Option("--scales", metavar="KIND", help="Of the coefficients; see compress.")
    ] = "separable",
    weighting: Annotated[
        str, typer.Option("--weighting", metavar="KIND", help="none, or inputs; see compress.")
    ] = "none",
    resize: options.Resize = None,
    crop: options.Crop = None,
    mean: options.Mean = None,
    std: options.Std = None,
    units: options.Units = 1,
    classes: options.TrainedClasses = None,
    device: options.Device = "auto",
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            show_default=False,
            help="Also write sensitivity.csv and the figure sensitivity.svg.",
        ),
    ] = None,
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
    from escalate.app.data import Data
    from escalate.app.sensitivity import check_target, write_sensitivity
    from escalate.app.sensitivity import sensitivity as measure

    if out is not None:
        check_target(out)
    terminal.say_running(network)
    with terminal.bar() as watch:
        found = measure(
            network,
            checkpoint=checkpoint,
            data=Data(
                data,
                options.side(crop),
                options.numbers(mean, "--mean"),
                options.numbers(std, "--std"),
                resize=resize,
                units=units,
                classes=classes,
            ),
            device=device,
            watch=watch,
            mixed=mixed,
            scales=scales,
            weighting=weighting,
            calibration_images=images,
        )
    if out is not None:
        write_sensitivity(found, out)
        terminal.say(f"wrote {out}")
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
