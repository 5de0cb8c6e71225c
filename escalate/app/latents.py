"""latents: pictures at many rates with one autoencoder, beside uniform steps and beside JPEG."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from escalate.app import jpeg
from escalate.app.pictures import read_pictures
from escalate.app.results import NewFolder
from escalate.compressors.code_points import distortion
from escalate.compressors.knob import largest
from escalate.compressors.latent_code import (
    LatentCode,
    UniformCode,
    priors,
    uniform_code,
    variable_code,
)
from escalate.compressors.vae import Vae, VaeSizes
from escalate.compressors.vae_training import Progress, VaeOptions, patches, trained_vae

if TYPE_CHECKING:
    import pandas as pd

NAMES = CSV, FIGURE = "latents.csv", "latents.svg"
PENALTIES = tuple(2.0**power for power in range(8, -6, -1))
QUALITIES = (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95)
LEARNED = 512  # training patches that tables are made from
OCTAVE, OCTAVES = 16, 10  # steps that are tried, from the latents' largest down
WIDE = 8  # pictures that the network sees at once
WHITE = 255.0
Watch = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Row:
    """A way to code pictures at one rate.

    Parameters
    ----------
    code : ``variable precision``, ``uniform``, ``jpeg 4:2:0``, ``jpeg 4:4:4``
    setting : its lambda, step or quality
    stored_bytes : of all streams or files
    bits_per_pixel : of them
    psnr_db : mean over the pictures, of 8-bit red, green and blue
    weighted_error : of the latents, (z - mu)^2 / (2 sigma^2), nats per latent; None for JPEG
    scan_bits_per_pixel : of JPEG without sizes and tables; None for others
    table_bytes : of tables in the decoder, which no stream counts; None for JPEG
    """

    code: str
    setting: float
    stored_bytes: int
    bits_per_pixel: float
    psnr_db: float
    weighted_error: float | None = None
    scan_bits_per_pixel: float | None = None
    table_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Latents:
    """Rows by code and rate.

    Parameters
    ----------
    data : where the pictures are from
    pictures, height, width : how many were compressed, and their pixels
    limit_db : mean PSNR of what the network makes of latents that are not quantized
    decoder_bytes : of the network's decoder, as float32
    """

    data: str
    pictures: int
    height: int
    width: int
    limit_db: float
    decoder_bytes: int
    rows: tuple[Row, ...]

    def frame(self) -> "pd.DataFrame":
        """The rows as a frame."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])


def latents(
    data: str,
    *,
    sizes: VaeSizes | None = None,
    options: VaeOptions | None = None,
    vae: str | Path | None = None,
    limit: int | None = None,
    count: int = 16,
    mosaic: int = 1,
    threads: int | None = None,
    penalties: Sequence[float] = PENALTIES,
    qualities: Sequence[int] = QUALITIES,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> Latents:
    """Train an autoencoder, and code pictures that it has not seen at many rates.

    Parameters
    ----------
    data, limit, count, mosaic : as for :func:`escalate.app.pictures.read_pictures`
    sizes, options : of the network, and how it is trained
    vae : its file, written while it is trained; taken as it is where it is whole, gone on with
        where it is not
    threads : of torch; the trained network depends on it
    penalties : lambdas of variable precision
    qualities : of JPEG
    progress : called after every epoch
    watch : called with what is coded, how many rates are done, and how many there are

    Raises
    ------
    ValueError
        A subclass of ours, in one line, for anything that cannot be.
    """
    pictures = read_pictures(data, limit=limit, count=count, mosaic=mosaic)
    asked = options or VaeOptions()
    with _threads(threads):
        file = None if vae is None else Path(vae)
        network = trained_vae(
            pictures.train, sizes or VaeSizes(), asked, checkpoint=file, progress=progress
        )
        random = np.random.default_rng([asked.seed, asked.epochs])
        seen = patches(pictures.train, LEARNED, asked.patch, random)
        job = _Job(
            network,
            pictures.test,
            Posteriors.of(network, seen).by_channel(),
            Posteriors.of(network, pictures.test),
        )
        rows = _coded(job, penalties, watch)
        limit_db = psnr(pictures.test, pixels_of(network, job.latents.means))
    rows += _jpeg(pictures.test, qualities)
    height, width = pictures.test.shape[2:]
    size = sum(each.numel() * each.element_size() for each in network.decoder.parameters())
    return Latents(pictures.name, len(pictures.test), height, width, limit_db, size, tuple(rows))


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True, slots=True, eq=False)
class Posteriors:
    """Means and standard deviations of latents, float64, shape (n, C, h, w)."""

    means: np.ndarray
    deviations: np.ndarray

    @classmethod
    def of(cls, network: Vae, pixels: np.ndarray) -> "Posteriors":
        """Those of pictures, uint8 (n, 3, H, W)."""
        found = []
        with torch.no_grad():
            for start in range(0, len(pixels), WIDE):
                part = pixels[start : start + WIDE].astype(np.float32) / WHITE
                found.append(network.encode(torch.from_numpy(part)))
        means, deviations = zip(*found, strict=True)
        return cls(torch.cat(means).double().numpy(), torch.cat(deviations).double().numpy())

    def by_channel(self) -> "Posteriors":
        """The same of shape (C, n h w)."""
        pair = (self.means, self.deviations)
        flat = [each.transpose(1, 0, 2, 3).reshape(each.shape[1], -1) for each in pair]
        return Posteriors(*flat)


def pixels_of(network: Vae, latents: np.ndarray) -> np.ndarray:
    """Pictures, uint8 (n, 3, H, W), of latents (n, C, h, w)."""
    found = []
    with torch.no_grad():
        for start in range(0, len(latents), WIDE):
            part = torch.from_numpy(latents[start : start + WIDE].astype(np.float32))
            found.append(network.decode(part).numpy())
    return np.rint(np.concatenate(found).clip(0, 1) * WHITE).astype(np.uint8)


def psnr(wanted: np.ndarray, got: np.ndarray) -> float:
    """Mean over pictures, uint8 (n, 3, H, W), of their peak signal-to-noise ratio in dB.

    Examples
    --------
    >>> black = np.zeros((2, 3, 4, 4), np.uint8)
    >>> round(psnr(black, black + np.uint8(1)), 2)
    48.13
    """
    squares = ((wanted.astype(np.float64) - got) ** 2).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):  # without an error it is infinite
        return float(np.mean(10 * np.log10(WHITE**2 / squares)))


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A network, pictures, latents of training patches (C, n), those of the pictures."""

    network: Vae
    pixels: np.ndarray
    known: Posteriors
    latents: Posteriors

    def streams(self, code: LatentCode) -> list[bytes]:
        """Each picture's."""
        pairs = zip(self.latents.means, self.latents.deviations, strict=True)
        return [code.encode(code.choose(*each)) for each in pairs]

    def row(self, name: str, setting: float, code: LatentCode, streams: Sequence[bytes]) -> Row:
        """What a decoder makes of streams."""
        decoded = np.stack([code.values(code.decode(stream)) for stream in streams])
        error = distortion(self.latents.means, self.latents.deviations, decoded)
        size = sum(map(len, streams))
        return Row(
            name,
            setting,
            size,
            8 * size / _area(self.pixels),
            psnr(self.pixels, pixels_of(self.network, decoded)),
            weighted_error=float(error.mean()),
            table_bytes=code.table_bytes(),
        )


def _area(pixels: np.ndarray) -> int:
    """Pixels, not counted three times."""
    return pixels[:, 0].size


def _coded(job: _Job, penalties: Sequence[float], watch: Watch | None) -> list[Row]:
    """Variable precision at every penalty, and uniform steps with no more bytes."""
    learned = priors(job.known.means)
    variable, uniform = [], []
    for done, penalty in enumerate(penalties):
        if watch is not None:
            watch(f"lambda {penalty:g}", done, len(penalties))
        code = variable_code(job.known.means, job.known.deviations, learned, penalty, done)
        streams = job.streams(code)
        variable.append(job.row("variable precision", penalty, code, streams))
        steps, multiples = _uniform(job, sum(map(len, streams)), done)
        uniform.append(job.row("uniform", steps.step, steps, multiples))
    return variable + uniform


def _uniform(job: _Job, budget: int, rate: int) -> tuple[UniformCode, list[bytes]]:
    """The smallest step whose streams have no more than ``budget`` bytes."""
    widest = 4 * float(np.abs(job.known.means).max())

    def made(number: int) -> tuple[int, tuple[UniformCode, list[bytes]]]:
        code = uniform_code(job.known.means, widest * 2.0 ** (-number / OCTAVE), rate)
        streams = job.streams(code)
        return sum(map(len, streams)), (code, streams)

    return largest(made, max(budget, made(0)[0]), 0, OCTAVE * OCTAVES, "stream")


def _jpeg(pixels: np.ndarray, qualities: Sequence[int]) -> list[Row]:
    """JPEG at every quality, with and without coarser colour."""
    rows = []
    for name, subsampling in jpeg.SUBSAMPLINGS.items():
        for quality in qualities:
            files = [jpeg.encode(picture, quality, subsampling) for picture in pixels]
            decoded = np.stack([jpeg.decode(file) for file in files])
            size, area = sum(map(len, files)), _area(pixels)
            scans = 8 * sum(map(jpeg.scan_bytes, files)) / area
            rows.append(
                Row(
                    name,
                    float(quality),
                    size,
                    8 * size / area,
                    psnr(pixels, decoded),
                    scan_bits_per_pixel=scans,
                )
            )
    return rows


def write_latents(found: Latents, target: Path) -> None:
    """The rows as CSV and as a figure; an earlier folder of ours is replaced.

    Raises
    ------
    ResultsError
        If ``target`` holds something that we did not write.
    """
    import pandas as pd

    from reports.curve_plot import curves

    frame = found.frame()
    tips = frame["code"] + " " + frame["setting"].map("{:g}".format)
    points = pd.DataFrame(
        {
            "series": frame["code"],
            "x": frame["bits_per_pixel"],
            "y": frame["psnr_db"],
            "tip": tips,
        }
    )
    with NewFolder(target, NAMES) as folder:
        frame.to_csv(folder / CSV, index=False)
        figure = curves(
            points,
            axes=("bits per pixel", "PSNR, dB"),
            name="latents",
            description=f"PSNR over bits per pixel of pictures of {found.data}",
        )
        (folder / FIGURE).write_text(figure, "utf-8")
