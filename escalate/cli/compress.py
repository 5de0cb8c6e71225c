"""escalate compress: a network becomes a folder of integers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from escalate.cli import options, terminal

if TYPE_CHECKING:
    from escalate.app.compress import Compressed


def compress(
    network: Annotated[
        str,
        typer.Argument(
            help="digits_cnn, or path/to/file.py:factory, a function that returns a torch module; "
            "that file is run.",
            show_default=False,
        ),
    ],
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            metavar="F",
            help="Trained weights, .safetensors or a torch file that needs no code to be read.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Images to calibrate with, retrain on and test with: digits, cifar10:DIR, or a "
            "folder (with train and val in it, or one for both).",
        ),
    ] = "digits",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write.")] = Path(
        "compressed"
    ),
    method: Annotated[
        str, typer.Option("--method", metavar="NAME", help="escalate, or int8 for 8 bits only.")
    ] = "escalate",
    basis: Annotated[
        int, typer.Option("--basis", metavar="M", help="Basis kernels per layer, 1..R*S.")
    ] = 6,
    density: Annotated[
        float | None,
        typer.Option(
            "--density",
            metavar="D",
            help="Share of non-zero coefficients; 0.3 by default.",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            metavar="T",
            show_default=False,
            help="Instead of --density: coefficients up to T x the channel's largest become 0.",
        ),
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", help="Of retraining.")] = 8,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", metavar="X", show_default=False)
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", metavar="N", show_default=False)] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a retraining that was killed.")
    ] = False,
    size: Annotated[
        int | None,
        typer.Option(
            "--size",
            metavar="N",
            min=1,
            show_default=False,
            help="Height and width of the images; the data's own, or 224, by default.",
        ),
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(
            "--mean",
            metavar="A,B,C",
            show_default=False,
            help="Per channel, as the network was trained; ImageNet's for colour by default.",
        ),
    ] = None,
    std: Annotated[
        str | None, typer.Option("--std", metavar="A,B,C", show_default=False, help="Likewise.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            metavar="N",
            min=1,
            show_default=False,
            help="Use only the first N training images.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="N",
            min=1,
            show_default=False,
            help="Threads for training; retrained weights depend on it.",
        ),
    ] = None,
) -> None:
    """Compress a network and retrain it; write the integers that machines run.

    The folder holds the compressed model, and the same network in plain 8 bits under int8/, which
    machines without a basis are fed. With NETWORK = path/to/file.py:factory that file is run.

    Examples:

      escalate compress digits_cnn --checkpoint digits.safetensors --out digits

      escalate compress nets/mine.py:build --checkpoint mine.pt --data cifar10:cifar-10-batches-py

      escalate compress nets/mine.py:build --data my-images --basis 4 --density 0.2 --epochs 20
    """
    import torch

    from escalate.app.compress import Data
    from escalate.app.compress import compress as run
    from escalate.app.modules import is_factory

    if threads is not None:
        torch.set_num_threads(threads)
    if is_factory(network):
        terminal.say(f"running {network.rpartition(':')[0]}")
    images = Data(
        data,
        None if size is None else (size, size),
        options.numbers(mean, "--mean"),
        options.numbers(std, "--std"),
        limit,
    )
    with terminal.epoch_progress(epochs) as progress:
        made = run(
            network,
            checkpoint=checkpoint,
            data=images,
            out=out,
            resume=resume,
            progress=progress,
            method=method,
            basis=basis,
            density=density,
            threshold=threshold,
            epochs=epochs,
            learning_rate=learning_rate,
            batch=batch,
            seed=seed,
        )
    print_compressed(made)


def print_compressed(made: "Compressed") -> None:
    """Accuracy and size of the three forms of a network."""
    floats = {"stored_bytes": 4 * made.parameters, "compression_ratio": 1.0}
    rows = [
        {"form": "original, FP32", "accuracy": made.accuracy_original, **floats},
        {
            "form": "8 bit",
            "accuracy": made.accuracy_int8,
            "stored_bytes": made.int8_bytes,
            "compression_ratio": made.int8_ratio,
        },
        {
            "form": "compressed",
            "accuracy": made.accuracy_compressed,
            "stored_bytes": made.bytes,
            "compression_ratio": made.compression_ratio,
        },
    ]
    terminal.print_table(rows, ("form", "accuracy", "stored_bytes", "compression_ratio"))
    typer.echo(f"{made.network}: {made.images} test images, written to {made.folder}")
    terminal.print_notes(made.notes)
