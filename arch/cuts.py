"""Cuts: an axis cut into pieces of one size; the last piece may be shorter."""

import numpy as np


def cut(total: int, size: int) -> np.ndarray:
    """Boundaries of 0..total cut into pieces of ``size``: int64 (pieces + 1,).

    Examples
    --------
    >>> cut(7, 3).tolist()
    [0, 3, 6, 7]
    """
    return np.append(np.arange(0, total, size, dtype=np.int64), total)


def cut_sizes(total: int, size: int) -> np.ndarray:
    """Sizes of these pieces: int64 (pieces,).

    Examples
    --------
    >>> cut_sizes(7, 3).tolist()
    [3, 3, 1]
    """
    return np.diff(cut(total, size))
