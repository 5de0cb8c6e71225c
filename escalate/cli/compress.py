"""escalate compress: a network becomes a folder of integers."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from escalate.cli import options, reading_options, terminal
from escalate.cli.option_flags import given_options
from escalate.cli.options import Format

if TYPE_CHECKING:
    from escalate.app.compressed import Compressed
    from escalate.app.data import Data

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write.")]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        show_default=False,
        help="Any option of a method, value as in TOML, also lists and tables by layer; may be "
        "repeated.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a retraining that was killed.")]


def compress(
    context: typer.Context,
    network: options.NetworkName,
    input: reading_options.Input = None,
    output: reading_options.Output = None,
    checkpoint: options.Checkpoint = None,
    data: options.DataName = options.DIGITS,
    out: Out = Path("compressed"),
    config: options.ConfigFile = None,
    settings: Fields = None,
    resume: Resume = False,
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
) -> None:
    """Compress a network and retrain it; write the integers that machines run.

    The folder holds the compressed model, and the same network in plain 8 bits under int8/, which
    machines without a basis are fed. With NETWORK = path/to/file.py:factory that file is run.

    Examples:

      escalate compress digits_cnn --checkpoint digits.safetensors --out digits

      escalate compress nets/mine.py:build --checkpoint mine.pt --data cifar10:cifar-10-batches-py

      escalate compress nets/mine.py:build --data my-images --basis 4 --density 0.2 --epochs 20

      escalate compress mine.onnx --data my-images --ratio 20 --held-out 500

      escalate compress mine.onnx --data my-images --method prune --density 0.2 --out mine-pruned

      escalate compress mine.onnx --data my-images --method wpc --set "group=[8, 1]" --ratio 30
    """
    options.use_threads(threads)
    terminal.say_running(network)
    images = options.images(
        data, crop, mean, std, limit, held_out, resize=resize, units=units, classes=classes
    )
    fields = _fields(context, config, settings)
    more: dict[str, Any] = {"device": device, "resume": resume, "input": input, "output": output}
    made = _compressed(network, fields, checkpoint, images, out, **more)
    print_compressed(made, shape)


def _fields(
    context: typer.Context, config: Path | None, settings: list[str] | None
) -> dict[str, Any]:
    """The options: those of the file, over them the flags, over these ``--set``."""
    from escalate.app.recipe import options_in, options_set

    found = {} if config is None else options_in(config)
    return found | given_options(context) | options_set(settings or ())


def _compressed(
    network: str,
    fields: Mapping[str, Any],
    checkpoint: Path | None,
    images: "Data",
    out: Path,
    **more: Any,
) -> "Compressed":
    """Compress, and tell how it goes on."""
    from escalate.app.compress import compress as run
    from escalate.app.recipe import options_of

    epochs = getattr(options_of(fields), "epochs", 0)
    with terminal.epoch_progress(epochs) as (progress, watch):
        return run(
            network,
            checkpoint=checkpoint,
            data=images,
            out=out,
            progress=progress,
            watch=watch,
            **more,
            **fields,
        )


def print_compressed(made: "Compressed", shape: Format = Format.table) -> None:
    """Accuracy and size of the three forms of a network."""
    from escalate.app.display import form_rows

    rows = form_rows(made)
    thing = {
        "network": made.network,
        "folder": str(made.folder),
        "method": made.method,
        "images": made.images,
        "forms": rows,
        "convolution_ratio": made.convolution_ratio,
        "layers": dict(made.forms),
        "layer_sqnr_db": dict(made.layer_sqnr),
        "seen": made.sight,
        "notes": list(made.notes),
    }
    if terminal.print_data(shape, thing, rows):
        return
    terminal.print_table(rows, tuple(rows[0]))
    typer.echo(
        f"{made.network}: {made.images} images, 95 % intervals {_intervals(made)}\n"
        f"convolutions alone {made.convolution_ratio:.1f}x; written to {made.folder}"
    )
    seen = made.sight and f"images: {made.sight}"
    for told in filter(None, (made.layers_told, made.loss, seen)):
        typer.echo(told)
    terminal.print_notes(made.notes)


def _intervals(made: "Compressed") -> str:
    """Those of the compressed model's accuracy and agreement, in words."""
    from escalate.app.scores import interval

    shares = {"accuracy": made.compressed.accuracy, "agreement": made.compressed.agreement}
    found = []
    for name, share in shares.items():
        if share is not None:
            low, high = interval(share, made.images)
            found.append(f"{name} {low:.1%} to {high:.1%}")
    return ", ".join(found)
