"""images: what ``--images`` and ``--data`` stand for, at the size that a network wants.

``digits`` and ``photos`` are the real images that scikit-learn carries; ``cifar10:FOLDER`` is
CIFAR-10 in its standard folder of Python pickles; any other word is a folder of image files: flat,
with one subfolder per class, or with ``train`` and ``val`` in it, each of which is one of these.
Names are kept in full, ``folder:`` or ``cifar10:`` and a path from the root, so that they mean the
same in every later command.
"""

import os
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from escalate.app.labels import Classes, Labels, bundled_labels, folder_labels
from escalate.errors import DataError
from workloads import load
from workloads.integer import ImageQuantizer
from workloads.load import SUFFIXES, Split, short_side

DIGITS_SCALE, BYTE_SCALE = 1 / 16, 1 / 255
DIGITS, PHOTOS, CIFAR, FOLDER = "digits", "photos", "cifar10:", "folder:"
PARTS: dict[Split, str] = {"train": "train", "test": "val"}  # of a folder that is split
OTHER_PARTS = ("test", "valid", "validation")  # what others call ``val``
SKLEARN = "sklearn:"  # before a bundled name: never a folder
DEFAULT = SKLEARN + DIGITS
UNDERSTOOD = f"{DIGITS}, {PHOTOS}, {CIFAR}DIR or a folder of images"


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Pixels as stored, and their classes where they are known.

    Parameters
    ----------
    name : what was asked for, its full name
    pixels : uint8, shape (N, C, H, W)
    labels : int64, shape (N,), or None
    pixel_scale : the pixel's own unit: 1/255, or 1/16 for the digits
    classes : names of the classes in the order of the network's outputs; none where unknown
    unlabelled : why there are no labels
    fitted : how pictures of another size were brought to this one; empty where none were
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray | None
    pixel_scale: float
    classes: tuple[str, ...] = ()
    unlabelled: str = ""
    fitted: str = ""

    def known_labels(self) -> np.ndarray:
        """The labels.

        Raises
        ------
        DataError
            If there are none.
        """
        if self.labels is None:
            raise DataError(self.unlabelled or f"{self.name}: no labels")
        return self.labels

    def seen_by(self, image: ImageQuantizer) -> np.ndarray:
        """The pixels in the network's unit, so that black and white stay what they are."""
        if self.pixel_scale == image.pixel_scale:
            return self.pixels
        return self.pixels * (self.pixel_scale / image.pixel_scale)

    def first(self, count: int | None) -> "Images":
        """The first ``count`` images; all of them for None."""
        labels = None if self.labels is None else self.labels[:count]
        return replace(self, pixels=self.pixels[:count], labels=labels)


def canonical(what: str) -> str:
    """The full name of what a user's word means.

    A folder of the name ``digits`` or ``photos`` that lies here and holds images is that folder;
    ``sklearn:digits`` and ``sklearn:photos`` are never.

    Raises
    ------
    DataError
        If the word is empty.

    Examples
    --------
    >>> canonical("digits"), canonical("/data/mine/"), canonical("cifar10:/data/batches")
    ('digits', 'folder:/data/mine', 'cifar10:/data/batches')
    """
    if not what.strip():
        raise DataError(f"images: an empty name, wanted {UNDERSTOOD}")
    if what in (SKLEARN + DIGITS, SKLEARN + PHOTOS):
        return what.removeprefix(SKLEARN)
    return FOLDER + os.path.realpath(what) if _is_folder_here(what) else located(what)


def _is_folder_here(what: str) -> bool:
    """Whether a word that stands for bundled images is the name of a folder of images, too."""
    if what not in (DIGITS, PHOTOS) or not Path(what).is_dir():
        return False
    files = chain.from_iterable(Path(what).glob(depth) for depth in ("*", "*/*", "*/*/*"))
    return any(file.suffix.lower() in SUFFIXES for file in files)


def located(name: str) -> str:
    """A name as a model keeps it, in full; models of earlier versions keep paths as typed."""
    if name in (DIGITS, PHOTOS):
        return name
    if name.startswith(CIFAR):
        return CIFAR + os.path.realpath(name.removeprefix(CIFAR))
    if name.startswith(FOLDER):
        return FOLDER + os.path.realpath(name.removeprefix(FOLDER))
    files = [file for split in load.CIFAR_FILES.values() for file in split]
    is_cifar = any((Path(name) / file).is_file() for file in files)
    return (CIFAR if is_cifar else FOLDER) + os.path.realpath(name)


def kind(name: str) -> str:
    """Which kind of images a full name stands for.

    Examples
    --------
    >>> kind("digits"), kind("cifar10:/data/batches"), kind("folder:/data/mine")
    ('digits', 'cifar10', 'folder')
    """
    if name in (DIGITS, PHOTOS):
        return name
    return "cifar10" if name.startswith(CIFAR) else "folder"


def path_of(name: str) -> Path:
    """The folder in a full name."""
    return Path(name.removeprefix(CIFAR).removeprefix(FOLDER))


def parts_of(folder: Path) -> dict[Split, Path] | None:
    """``train`` and ``val`` of a folder that is split, else None.

    Raises
    ------
    DataError
        If the second part has another name.
    """
    found = {split: folder / name for split, name in PARTS.items()}
    if all(part.is_dir() for part in found.values()):
        return found
    other = next((name for name in OTHER_PARTS if (folder / name).is_dir()), None)
    if other is not None and found["train"].is_dir():
        raise DataError(f"{folder}: has train and {other} in it, wanted train and val")
    return None


def check_there(name: str) -> None:
    """Refuse a folder that is not there or holds no image, before anything takes time.

    Raises
    ------
    DataError
        Naming it.
    """
    if kind(name) != "folder":
        return
    folder = path_of(name)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of images; also understood are {UNDERSTOOD}")
    if not any(file.suffix.lower() in SUFFIXES for file in folder.rglob("*")):
        raise DataError(f"{folder}: holds no image ({', '.join(SUFFIXES)})")


def read_images(
    what: str,
    channels: int,
    size: tuple[int, int],
    *,
    count: int | None = None,
    split: Split = "test",
    resize: int | None = None,
    classes: Classes | None = None,
) -> Images:
    """Read images and bring them to the network's channels and size.

    Parameters
    ----------
    what : a full name, or a folder
    channels : 1 for grey, 3 for colour
    size : (H, W)
    count : the first so many; None for all
    split : part of a data set that distinguishes training from test images
    resize : short side of pictures before the centre is cut out, see ``workloads.load.fitted``
    classes : what is known of the network's outputs, see ``escalate.app.labels``

    Raises
    ------
    DataError, WorkloadError
        Naming the folder or file, and what was wanted.
    """
    if channels not in (1, 3):
        raise DataError(f"images: the network wants {channels} channels, allowed are 1 and 3")
    if count is not None and count < 1:
        raise DataError(f"images: count is {count}, wanted at least 1")
    name = located(what)
    found, labels = _read(name, channels, size, count, split, resize, classes or Classes())
    if count is not None and count > len(found.pixels):
        raise DataError(f"{name}: holds {len(found.pixels)} images, {count} were asked for")
    pixels, told = found.pixels[:count], told_fit(size, resize) if kind(name) == "folder" else ""
    if pixels.shape[1:] != (channels, *size):
        pixels = np.stack([load.fitted(_picture(each), size, channels, resize) for each in pixels])
        told = told_fit(size, resize)
    values = None if labels.values is None else labels.values[:count]
    scale = DIGITS_SCALE if name == DIGITS else BYTE_SCALE
    return Images(name, pixels, values, scale, labels.names, labels.reason, told)


def told_fit(size: tuple[int, int], resize: int | None = None) -> str:
    """How pictures are brought to a size, in words.

    Examples
    --------
    >>> told_fit((224, 224)), told_fit((227, 227), 227)
    ('short side to 256, centre 224 x 224', 'short side to 227, centre 227 x 227')
    """
    high, wide = size
    if resize is None and high != wide:
        return f"scaled until 7/8 of it hold {high} x {wide}, centre {high} x {wide}"
    short = short_side(high) if resize is None else resize
    return f"short side to {short}, centre {high} x {wide}"


def _picture(pixels: np.ndarray) -> Image.Image:
    """(C, H, W) to a picture."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def _read(
    name: str,
    channels: int,
    size: tuple[int, int],
    count: int | None,
    split: Split,
    resize: int | None,
    classes: Classes,
) -> tuple[load.Images, Labels]:
    """The images of a name, and what is known of their classes."""
    if name == PHOTOS:
        return load.photos(), Labels()
    if kind(name) != "folder":
        found = load.digits(split) if name == DIGITS else load.cifar10(path_of(name), split)
        return found, bundled_labels(name, found.labels, found.classes, classes)
    folder = path_of(name)
    check_there(name)
    parts = parts_of(folder)
    home, beside = (folder, None) if parts is None else (parts[split], parts["train"])
    found = load.image_folder(home, size, channels=channels, limit=count, resize=resize)
    return found, folder_labels(home, classes, count, beside)
