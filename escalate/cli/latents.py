"""escalate latents: pictures at many rates with one autoencoder."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from escalate.cli import options, terminal
from escalate.cli.options import Format

if TYPE_CHECKING:
    from escalate.app.latents import Latents

COLUMNS = ("code", "setting", "stored_bytes", "bits_per_pixel", "psnr_db", "scan_bits_per_pixel")
HEADINGS = {"psnr_db": "PSNR", "scan_bits_per_pixel": "without header"}
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Where latents.csv and the figure latents.svg go.",
        show_default=False,
    ),
]
Pictures = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="DIR",
        help="photos, cifar10:DIR, or a folder of images (with train and val in it, or its "
        "last fifth is compressed).",
    ),
]
VaeFile = Annotated[
    Path | None,
    typer.Option(
        "--vae",
        metavar="F",
        help="The network's file: written while it is trained, so that a run that was killed "
        "goes on, and used again by the next.",
        show_default=False,
    ),
]
Epochs = Annotated[int, typer.Option("--epochs", metavar="N", help="Of training.")]
Patches = Annotated[
    int,
    typer.Option("--patches", metavar="N", help="Squares of 32 x 32 pixels in each epoch."),
]
Seed = Annotated[int, typer.Option("--seed", metavar="S", help="Of weights, patches and noise.")]
Features = Annotated[
    int, typer.Option("--features", metavar="N", help="Channels of the network's hidden maps.")
]
Channels = Annotated[int, typer.Option("--channels", metavar="N", help="Channels of latents.")]
Noise = Annotated[
    float,
    typer.Option("--noise", metavar="X", help="Variance of the likelihood, of pixels 0..1."),
]
Count = Annotated[
    int, typer.Option("--count", metavar="N", help="How many pictures are compressed.")
]
Mosaic = Annotated[
    int,
    typer.Option(
        "--mosaic", metavar="K", help="Each of them is K x K of the data's, side by side."
    ),
]
RatePenalties = Annotated[
    str | None,
    typer.Option(
        "--rate-penalties",
        metavar="L[,L]",
        help="What a bit costs, in nats: a rate each; 256, 128 .. 0.03125 by default.",
        show_default=False,
    ),
]


def latents(
    out: Out,
    data: Pictures = "photos",
    vae: VaeFile = None,
    epochs: Epochs = 30,
    patches: Patches = 8192,
    seed: Seed = 0,
    features: Features = 64,
    channels: Channels = 48,
    noise: Noise = 1e-3,
    limit: options.Limit = None,
    count: Count = 16,
    mosaic: Mosaic = 1,
    rate_penalties: RatePenalties = None,
    threads: options.TrainingThreads = None,
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
) -> None:
    """Code pictures at many rates with the latents of one network, and compare.

    A small variational autoencoder is trained.  Pictures that it has not seen are coded by
    variational Bayesian quantization of their latents, by uniform steps of no more bytes, and by
    JPEG (Pillow, Huffman tables of its own).  Every byte is one of a stream or file that is
    decoded again.  Network and tables are the decoder's, and not counted; a JPEG file has its own
    tables in it, and is told with and without what stands before its scan.

    Examples:

      escalate latents --out latents

      escalate latents --data cifar10:cifar-10-batches-py --mosaic 8 --vae vae.safetensors --out l
    """
    from escalate.app.latents import NAMES, PENALTIES, write_latents
    from escalate.app.latents import latents as measure
    from escalate.app.results import NewFolder
    from escalate.compressors.vae import VaeSizes
    from escalate.compressors.vae_training import VaeOptions

    NewFolder(out, NAMES)  # refuses a folder that is not ours before any work is done

    with terminal.bar() as watch:
        found = measure(
            data,
            sizes=VaeSizes(features, channels, noise),
            options=VaeOptions(epochs=epochs, patches=patches, seed=seed),
            vae=vae,
            limit=limit,
            count=count,
            mosaic=mosaic,
            threads=threads,
            penalties=options.numbers(rate_penalties, "--rate-penalties") or PENALTIES,
            progress=_say_epoch,
            watch=watch,
        )
    write_latents(found, out)
    _print(found, shape)


def _say_epoch(epoch: int, epochs: int, loss: float) -> None:
    terminal.say(f"epoch {epoch} of {epochs}: {loss:,.0f} nats per patch")


def _print(found: "Latents", shape: Format) -> None:
    thing = asdict(found)
    if terminal.print_data(shape, thing, thing["rows"]):
        return
    terminal.print_table(thing["rows"], COLUMNS, HEADINGS)
    typer.echo(
        f"{found.data}: {found.pictures} pictures of {found.height} x {found.width} pixels; "
        f"latents that are not quantized give {found.limit_db:.2f} dB"
    )
