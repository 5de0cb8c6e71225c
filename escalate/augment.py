"""augment: training images moved and mirrored, so that a small set of them lasts longer."""

from typing import Literal

import numpy as np

Augmentation = Literal["none", "crop"]
REACH = 8  # Assumption: an image moves by up to one eighth of its side


def augmented(
    pixels: np.ndarray, augmentation: Augmentation, random: np.random.Generator
) -> np.ndarray:
    """Each image mirrored or not, and moved in both directions, its edge reflected.

    Parameters
    ----------
    pixels : any dtype, shape (N, C, H, W)
    augmentation : ``none`` returns them as they are
    random : settles how each image is moved

    Examples
    --------
    >>> pixels = np.arange(64, dtype=np.uint8).reshape(1, 1, 8, 8)
    >>> moved = augmented(pixels, "crop", np.random.default_rng(0))
    >>> moved.shape, moved.dtype, bool(np.isin(moved, pixels).all())
    ((1, 1, 8, 8), dtype('uint8'), True)
    """
    if augmentation == "none":
        return pixels
    count, _, rows, columns = pixels.shape
    down, across = rows // REACH, columns // REACH
    edges = ((0, 0), (0, 0), (down, down), (across, across))
    padded = np.pad(pixels, edges, mode="reflect")
    y = random.integers(0, 2 * down + 1, (count, 1)) + np.arange(rows)
    x = random.integers(0, 2 * across + 1, (count, 1)) + np.arange(columns)
    x = np.where(random.integers(0, 2, (count, 1)) == 1, x[:, ::-1], x)
    place = np.arange(count)[:, None, None]
    moved = padded.transpose(0, 2, 3, 1)[place, y[:, :, None], x[:, None, :]]
    return np.ascontiguousarray(moved.transpose(0, 3, 1, 2))
