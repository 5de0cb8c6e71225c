"""pictures: what ``--data`` stands for where pictures are compressed."""

from dataclasses import dataclass

import numpy as np

from escalate.app.images import CIFAR, canonical, kind, parts_of, path_of
from escalate.errors import DataError
from workloads import load

SIDE = 256  # of a picture from a folder or a photograph, in pixels
TEST_SHARE = 5  # one in so many pictures of a folder that is not split is for the test


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures to train on, and others to compress.

    Parameters
    ----------
    name : what was asked for, its full name
    train : uint8, shape (N, 3, H, W)
    test : uint8, shape (n, 3, h, w)
    """

    name: str
    train: np.ndarray
    test: np.ndarray


def read_pictures(
    what: str, *, limit: int | None = None, count: int = 16, mosaic: int = 1
) -> Pictures:
    """Read pictures in colour.

    Parameters
    ----------
    what : ``photos``: the first of scikit-learn's two photographs to train on, squares of the
        other one; ``cifar10:FOLDER`` or that folder; a folder of image files, brought to
        256 x 256 pixels, with ``train`` and ``val`` in it, or of which the last fifth is not
        trained on
    limit : train on the first so many
    count : compress the first so many
    mosaic : K: each picture to compress is K x K of the data's, side by side

    Raises
    ------
    DataError, WorkloadError
        Naming the folder or file, and what was wanted.

    Examples
    --------
    >>> found = read_pictures("photos", count=2)
    >>> found.train.shape, found.test.shape
    ((1, 3, 427, 640), (2, 3, 256, 256))
    """
    if count < 1 or mosaic < 1 or (limit is not None and limit < 1):
        raise DataError(f"pictures: {count} of {mosaic} x {mosaic}, {limit} to train on: wanted 1")
    name = canonical(what)
    train, test = _halves(name)
    wanted = count * mosaic * mosaic
    if len(test) < wanted:
        raise DataError(f"{name}: has {len(test)} pictures to compress, {wanted} were asked for")
    return Pictures(name, train[:limit], tiled(test[:wanted], mosaic))


def _halves(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures to train on and to compress."""
    if kind(name) == "photos":
        first, second = load.photos().pixels
        return first[None], _squares(second)
    folder = path_of(name)
    if kind(name) == "cifar10":
        return load.cifar10(folder, "train").pixels, load.cifar10(folder, "test").pixels
    if kind(name) == "digits":
        raise DataError(f"{name}: grey, wanted pictures in colour: photos, {CIFAR}DIR or a folder")
    parts = parts_of(folder)
    if parts is not None:
        train, test = (load.image_folder(each, (SIDE, SIDE)).pixels for each in parts.values())
        return train, test
    pixels = load.image_folder(folder, (SIDE, SIDE)).pixels
    if len(pixels) < 2:
        raise DataError(f"{name}: has {len(pixels)} picture, wanted one more to compress")
    held = -(-len(pixels) // TEST_SHARE)
    return pixels[:-held], pixels[-held:]


def _squares(pixels: np.ndarray) -> np.ndarray:
    """The squares of 256 pixels in a picture (3, H, W), row by row; what is left is not used."""
    rows, columns = (size // SIDE for size in pixels.shape[1:])
    cut = pixels[:, : rows * SIDE, : columns * SIDE]
    parts = cut.reshape(-1, rows, SIDE, columns, SIDE).transpose(1, 3, 0, 2, 4)
    return np.ascontiguousarray(parts.reshape(-1, *parts.shape[2:]))


def tiled(pixels: np.ndarray, mosaic: int) -> np.ndarray:
    """Pictures of K x K pictures (n, C, H, W) each, row by row.

    Examples
    --------
    >>> tiled(np.arange(8, dtype=np.uint8).reshape(8, 1, 1, 1), 2)[:, 0].tolist()
    [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    """
    _, channels, height, width = pixels.shape
    parts = pixels.reshape(-1, mosaic, mosaic, channels, height, width).transpose(0, 3, 1, 4, 2, 5)
    return np.ascontiguousarray(parts.reshape(-1, channels, mosaic * height, mosaic * width))
