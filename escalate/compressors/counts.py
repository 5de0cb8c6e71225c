"""counts: how often each symbol occurs, as bytes.

Of every count the number of its binary digits, as ``workloads.formats.numbers`` packs integers;
then those behind the first, which is 1, as plain bits.
"""

import numpy as np

from escalate.compressors import plain_bits
from escalate.errors import StreamError
from workloads.formats import numbers

MOST_DIGITS = 40


def encode(counts: np.ndarray) -> np.ndarray:
    """Counts, int64 >= 0 below 2^40, shape (S,), as a uint8 vector.

    Examples
    --------
    >>> encode(np.array([0, 9, 3])).tolist()  # 0, 4 and 2 digits; 001 and 1
    [3, 1, 80, 0, 9]
    """
    digits = _digits(counts)
    return np.concatenate([numbers.encode(digits), plain_bits.pack(counts, _behind(digits))])


def decode(payload: np.ndarray, place: int, size: int) -> tuple[np.ndarray, int]:
    """The ``size`` counts that begin at byte ``place``, int64, and the place behind them.

    Raises
    ------
    StreamError, WorkloadError
        If the payload ends inside them or is not what ``encode`` makes.

    Examples
    --------
    >>> decode(encode(np.array([0, 9, 3])), 0, 3)[0].tolist()
    [0, 9, 3]
    """
    digits, place = numbers.decode(payload, place, size)
    if size and not 0 <= digits.min() <= digits.max() <= MOST_DIGITS:
        raise StreamError(f"counts: of {digits.min()}..{digits.max()} binary digits")
    behind = _behind(digits)
    rest, place = plain_bits.unpack(payload, place, behind)
    return rest + np.where(digits > 0, np.int64(1) << behind, 0), place


def _digits(counts: np.ndarray) -> np.ndarray:
    """Binary digits of each count, exact below 2^53."""
    return np.frexp(counts.astype(np.float64))[1].astype(np.int64)


def _behind(digits: np.ndarray) -> np.ndarray:
    """How many of them are behind the first."""
    return np.maximum(digits - 1, 0)
