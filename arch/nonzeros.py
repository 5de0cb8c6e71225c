"""Counts of non-zeros, from which masks, compressed sizes and operand pairs follow."""

import numpy as np

from arch.jit import parallel_kernel, turns
from arch.threads import Share

PIXELS = 1024  # counted at once, so that the counts stay in cache


@parallel_kernel
def count_channels(
    share: Share, values: np.ndarray, first: np.ndarray, channel: np.ndarray, counts: np.ndarray
) -> None:
    """Non-zeros of sets of channels at every pixel.

    values : integers (images, channels, pixels)
    first : int64 (sets + 1,), where each set begins in ``channel``, int64
    counts : int64 out (sets, images, pixels)
    """
    sets, images, pixels = counts.shape
    chunks = (pixels + PIXELS - 1) // PIXELS
    for task in turns(share, sets * images * chunks):
        which, rest = task // (images * chunks), task % (images * chunks)
        image, low = rest // chunks, rest % chunks * PIXELS
        size = min(PIXELS, pixels - low)
        found = np.zeros(size, np.int32)
        for entry in range(first[which], first[which + 1]):
            row = values[image, channel[entry], low : low + size]
            for at in range(size):
                found[at] += np.int32(row[at] != 0)
        for at in range(size):
            counts[which, image, low + at] = found[at]


@parallel_kernel
def count_weighted(
    share: Share, values: np.ndarray, weight: np.ndarray, counts: np.ndarray
) -> None:
    """For each image and channel, the sum of ``weight`` over non-zero pixels.

    values : integers (images, channels, pixels); weight : int64 (pixels,)
    counts : int64 out (images, channels)
    """
    images, channels, pixels = values.shape
    for task in turns(share, images * channels):
        image, c = task // channels, task % channels
        row, total = values[image, c], np.int64(0)
        for at in range(pixels):
            total += weight[at] * np.int64(row[at] != 0)
        counts[image, c] = total


def by_channels(values: np.ndarray, sets: list[np.ndarray]) -> np.ndarray:
    """Non-zeros of sets of channels at every pixel.

    Parameters
    ----------
    values : integers, shape (N, C, H, W)
    sets : channels of each set, integers

    Returns
    -------
    int64, shape (sets, N, H * W)

    Examples
    --------
    >>> values = np.array([0, 3, 5, 0], np.uint8).reshape(1, 2, 1, 2)
    >>> by_channels(values, [np.arange(2), np.array([1])]).tolist()
    [[[1, 1]], [[1, 0]]]
    """
    images, channels = values.shape[:2]
    flat = np.ascontiguousarray(values).reshape(images, channels, -1)
    flat.setflags(write=False)  # whatever the caller may do with it: one kernel for all
    first = np.cumsum([0, *(chosen.size for chosen in sets)])
    counts = np.empty((len(sets), images, flat.shape[2]), np.int64)
    count_channels(flat, first, np.concatenate(sets).astype(np.int64), counts)
    return counts
