"""plain_bits: numbers of widths that both sides know, one behind the other, lowest bit first."""

import numpy as np

from workloads.formats.bits import pack_bits, unpack_bits


def pack(values: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """The lowest ``widths`` bits of each value, as bytes; zeros up to a whole one.

    Parameters
    ----------
    values : int64 >= 0, any shape in C order
    widths : int64, 0..62, the same shape

    Examples
    --------
    >>> pack(np.array([1, 5, 2]), np.array([0, 3, 2])).tolist()
    [21]
    """
    values, widths = values.ravel(), widths.ravel()
    bits: np.ndarray = (np.repeat(values, widths) >> _places(widths)) & 1
    return pack_bits(bits)


def unpack(payload: np.ndarray, place: int, widths: np.ndarray) -> tuple[np.ndarray, int]:
    """The values that begin at byte ``place``, int64 of the shape of widths; the place behind.

    Raises
    ------
    WorkloadError
        If the payload ends inside them, or a bit behind the last one is set.

    Examples
    --------
    >>> values, place = unpack(np.array([21], np.uint8), 0, np.array([0, 3, 2]))
    >>> values.tolist(), place
    ([0, 5, 2], 1)
    """
    flat = widths.ravel()
    total = int(flat.sum())
    stop = place + -(-total // 8)
    bits = unpack_bits(payload[place:stop], total).astype(np.int64) << _places(flat)
    sums = np.concatenate([[0], np.cumsum(bits)])
    ends = np.cumsum(flat)
    return (sums[ends] - sums[ends - flat]).reshape(widths.shape), stop


def _places(widths: np.ndarray) -> np.ndarray:
    """The place of every bit within its number."""
    ends = np.cumsum(widths)
    return np.arange(ends[-1] if ends.size else 0) - np.repeat(ends - widths, widths)
