"""augment: training images moved, mirrored and mixed, so that a small set of them lasts longer."""

import numpy as np

from escalate.train.settings import Augmentation

REACH = 8  # Assumption: an image moves by up to one eighth of its side


def augmented(
    pixels: np.ndarray, augmentation: Augmentation, random: np.random.Generator
) -> np.ndarray:
    """Each image mirrored or not, and moved in both directions, its edge reflected.

    Parameters
    ----------
    pixels : any dtype, shape (N, C, H, W)
    augmentation : ``none`` returns them as they are; the mixing of ``mix`` is ``mixed``
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


def mixed(pixels: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Each image laid over the next one, the last over the first (mixup, arXiv 1710.09412).

    Between the images the original answers with more than one class, and a network that follows
    it learns the whole function, not only its value at the images (arXiv 2106.05237).

    Parameters
    ----------
    pixels : uint8, shape (N, C, H, W)
    random : settles the shares

    Returns
    -------
    The mixtures, uint8, and the share of each image's own pixels in it, float32 (N,), at least 0.5.

    Examples
    --------
    >>> pixels = np.array([0, 100], np.uint8).reshape(2, 1, 1, 1)
    >>> found, shares = mixed(pixels, np.random.default_rng(0))
    >>> found.ravel().tolist(), shares.round(2).tolist()
    ([18, 63], [0.8199999928474426, 0.6299999952316284])
    """
    shares = (0.5 + 0.5 * random.random(len(pixels))).astype(np.float32)
    wide = shares[:, None, None, None]
    sums = wide * pixels + (1 - wide) * np.roll(pixels, -1, axis=0)
    return np.rint(sums).astype(pixels.dtype), shares
