"""images: what ``--images`` and ``--data`` stand for, at the size that a network wants.

``digits`` and ``photos`` are the real images that scikit-learn carries; ``cifar10:FOLDER`` is
CIFAR-10 in its standard folder of Python pickles; any other word is a folder of image files, flat
or with one subfolder per class.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from escalate.errors import DataError
from workloads import load
from workloads.integer import ImageQuantizer
from workloads.load import SUFFIXES, Split

DIGITS_SCALE, BYTE_SCALE = 1 / 16, 1 / 255
CIFAR = "cifar10:"
LABELS = "labels.csv"  # classes of a flat folder: a heading line, then file,class index


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Pixels as stored, and their classes where they are known.

    Parameters
    ----------
    name : what was asked for, its full name
    pixels : uint8, shape (N, C, H, W)
    labels : int64, shape (N,), or None
    pixel_scale : the pixel's own unit: 1/255, or 1/16 for the digits
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray | None
    pixel_scale: float

    def known_labels(self) -> np.ndarray:
        """The labels.

        Raises
        ------
        DataError
            If there are none.
        """
        if self.labels is None:
            raise DataError(f"{self.name}: no labels; wanted one subfolder per class or a {LABELS}")
        return self.labels

    def seen_by(self, image: ImageQuantizer) -> np.ndarray:
        """The pixels in the network's unit, so that black and white stay what they are."""
        if self.pixel_scale == image.pixel_scale:
            return self.pixels
        return self.pixels * (self.pixel_scale / image.pixel_scale)

    def first(self, count: int | None) -> "Images":
        """The first ``count`` images; all of them for None."""
        labels = None if self.labels is None else self.labels[:count]
        return Images(self.name, self.pixels[:count], labels, self.pixel_scale)


def canonical(what: str) -> str:
    """The full name of what is meant: a folder of CIFAR-10's files is ``cifar10:FOLDER``."""
    files = [name for split in load.CIFAR_FILES.values() for name in split]
    return f"{CIFAR}{what}" if any((Path(what) / name).is_file() for name in files) else what


def kind(what: str) -> str:
    """Which kind of images a name stands for.

    Examples
    --------
    >>> kind("digits"), kind("cifar10:data/cifar-10-batches-py"), kind("some/folder")
    ('digits', 'cifar10', 'folder')
    """
    if what in ("digits", "photos"):
        return what
    return "cifar10" if what.startswith(CIFAR) else "folder"


def read_images(
    what: str,
    channels: int,
    size: tuple[int, int],
    *,
    count: int | None = None,
    split: Split = "test",
) -> Images:
    """Read images and bring them to the network's channels and size.

    Parameters
    ----------
    what : ``digits``, ``photos``, ``cifar10:FOLDER`` or that folder, or a folder of image files
    channels : 1 for grey, 3 for colour
    size : (H, W)
    count : the first so many; None for all
    split : part of a data set that distinguishes training from test images

    Raises
    ------
    DataError, WorkloadError
        Naming the folder or file, and what was wanted.
    """
    if channels not in (1, 3):
        raise DataError(f"images: the network wants {channels} channels, allowed are 1 and 3")
    if count is not None and count < 1:
        raise DataError(f"images: count is {count}, wanted at least 1")
    labels: np.ndarray | None = None
    what = canonical(what)
    if what == "digits":
        found = load.digits(split)
    elif what == "photos":
        found = load.photos()
    elif what.startswith(CIFAR):
        found = load.cifar10(what.removeprefix(CIFAR), split)
    else:
        found, labels = _folder(Path(what), channels, size, count)
    if count is not None and count > len(found.pixels):
        raise DataError(f"{what}: holds {len(found.pixels)} images, {count} were asked for")
    scale = DIGITS_SCALE if what == "digits" else BYTE_SCALE
    images = Images(what, found.pixels, found.labels if labels is None else labels, scale)
    images = images.first(count)
    if images.pixels.shape[1:] == (channels, *size):
        return images
    pixels = [load.fitted(_picture(each), size, channels) for each in images.pixels]
    return Images(what, np.stack(pixels), images.labels, scale)


def _picture(pixels: np.ndarray) -> Image.Image:
    """(C, H, W) to a picture."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def _folder(
    folder: Path, channels: int, size: tuple[int, int], count: int | None
) -> tuple[load.Images, np.ndarray | None]:
    """Image files by name; labels from subfolders, or for a flat folder from its table."""
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder of images; also understood are digits, photos and "
            f"{CIFAR}FOLDER"
        )
    found = load.image_folder(folder, size, channels=channels, limit=count)
    table = folder / LABELS
    if found.labels is not None or not table.is_file():
        return found, None
    files = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    return found, _listed_labels(table, files[:count])


def _listed_labels(table: Path, names: list[str]) -> np.ndarray:
    """Labels from a CSV whose first columns are file and class index, below one heading line."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row][1:]
    known: dict[str, int] = {}
    for row in rows:
        if len(row) < 2 or not row[1].strip().isdecimal():
            raise DataError(f"{table}: {','.join(row)!r}: wanted file,class index")
        known[row[0]] = int(row[1])
    for name in names:
        if name not in known:
            raise DataError(f"{table}: has no class for {name}")
    return np.array([known[name] for name in names], np.int64)
