"""admm: exact projections onto what crossbars hold, Yuan et al. (ISLPED 2019, arXiv 1908.11691).

The method alternates between training towards a projected copy of the weights and projecting.
Here are the projections: the nearest matrix, by the sum of squares, of which only so many rows,
columns or crossbar tiles are not zero, or whose values are levels times one scale.

A layer matrix has filters as rows and taps (c, r, s) as columns, as weights of shape
(K, C/groups, R, S) have when flattened; crossbars hold its transpose.
"""

from dataclasses import dataclass

import numpy as np

from escalate.errors import DecompositionError
from escalate.pruning import strongest

MOST_ITERATIONS = 100  # of alternating least squares; it ends by itself long before


def _kept(norms: np.ndarray, keep: int, what: str) -> np.ndarray:
    """The ``keep`` largest, of equals the first: bool of the same shape."""
    if not 0 <= keep <= norms.size:
        raise DecompositionError(f"{keep} {what} are to stay, wanted 0..{norms.size}")
    if not np.isfinite(norms).all():
        raise DecompositionError(f"{what} hold a value that is not finite")
    (mask,) = strongest([norms], keep)
    return mask


def _matrix(matrix: np.ndarray) -> np.ndarray:
    if matrix.ndim != 2:
        raise DecompositionError(f"the matrix has {matrix.ndim} axes, wanted 2")
    return matrix.astype(np.float64)


def keep_rows(matrix: np.ndarray, keep: int) -> np.ndarray:
    """The nearest matrix with at most ``keep`` rows that are not zero; float64, same shape.

    Of rows of one norm the first stays, so that exactly ``keep`` do.

    Raises
    ------
    DecompositionError
        If there are not so many rows, or a value is not finite.

    Examples
    --------
    >>> keep_rows(np.array([[3.0, 0.0], [2.0, 2.0], [-1.0, 1.0]]), 1).tolist()
    [[3.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    """
    whole = _matrix(matrix)
    chosen = _kept(np.square(whole).sum(axis=1), keep, "rows")
    return np.where(chosen[:, None], whole, 0.0)


def keep_columns(matrix: np.ndarray, keep: int) -> np.ndarray:
    """As ``keep_rows``, with columns.

    Examples
    --------
    >>> keep_columns(np.array([[3.0, 0.0], [2.0, 2.0]]), 1).tolist()
    [[3.0, 0.0], [2.0, 0.0]]
    """
    whole = _matrix(matrix)
    chosen = _kept(np.square(whole).sum(axis=0), keep, "columns")
    return np.where(chosen, whole, 0.0)


def keep_tiles(matrix: np.ndarray, keep: int, tile: tuple[int, int]) -> np.ndarray:
    """As ``keep_rows``, with tiles of ``tile`` = (rows, columns), those at the ends smaller.

    Examples
    --------
    >>> keep_tiles(np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 0.0]]), 1, (2, 2)).tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]
    """
    whole = _matrix(matrix)
    if min(tile) < 1:
        raise DecompositionError(f"a tile is {tile[0]} x {tile[1]}, wanted at least 1 x 1")
    at = [np.arange(0, size, step) for size, step in zip(whole.shape, tile, strict=True)]
    norms = np.add.reduceat(np.add.reduceat(np.square(whole), at[0], axis=0), at[1], axis=1)
    chosen = _kept(norms, keep, "tiles")
    inside = np.repeat(np.repeat(chosen, tile[0], axis=0), tile[1], axis=1)
    return np.where(inside[: whole.shape[0], : whole.shape[1]], whole, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Weights as levels times one scale: int8 ``levels``, 0 only where nothing is kept."""

    levels: np.ndarray
    scale: float

    def weights(self) -> np.ndarray:
        """The weights they stand for, float64."""
        return self.levels * self.scale


def nearest_levels(weights: np.ndarray, scale: float, bits: int) -> np.ndarray:
    """The nearest of the levels -2^(bits-1)..-1, 1..2^(bits-1) times ``scale``; int8, same shape.

    There is no level 0: a device always conducts, and weights that are zero are not mapped.  They,
    and only they, get a 0 here.  The levels are symmetric.

    Examples
    --------
    >>> nearest_levels(np.array([-0.1, 0.0, 0.9, 7.0]), 1.0, 3).tolist()
    [-1, 0, 1, 4]
    """
    most = 1 << (bits - 1)
    size = np.clip(np.floor(np.abs(weights) / scale + 0.5), 1, most)
    found: np.ndarray = (np.sign(weights) * size).astype(np.int8)
    return found


def to_levels(weights: np.ndarray, bits: int) -> Levels:
    """Levels and scale by alternating least squares.

    Nearest levels for a scale, then the scale that suits them best, until the levels stay.  No
    step makes the error larger; the best pair over all scales is not promised.

    Parameters
    ----------
    weights : any shape; zeros stay
    bits : of a level with its sign, 2..7

    Raises
    ------
    DecompositionError
        For other bits, and for values that are not finite.

    Examples
    --------
    >>> found = to_levels(np.array([0.5, -1.0, 0.0, 2.0]), 3)
    >>> found.levels.tolist(), found.scale
    ([1, -2, 0, 4], 0.5)
    """
    if not 2 <= bits <= 7:
        raise DecompositionError(f"levels have {bits} bits, wanted 2..7")
    if not np.isfinite(weights).all():
        raise DecompositionError("weights hold a value that is not finite")
    whole = weights.astype(np.float64)
    largest = float(np.abs(whole).max(initial=0.0))
    if largest == 0:
        return Levels(np.zeros(whole.shape, np.int8), 1.0)
    scale = largest / (1 << (bits - 1))
    levels = nearest_levels(whole, scale, bits)
    for _ in range(MOST_ITERATIONS):
        wide = levels.astype(np.float64)
        scale = float((wide * whole).sum() / np.square(wide).sum())
        before, levels = levels, nearest_levels(whole, scale, bits)
        if np.array_equal(before, levels):
            break
    return Levels(levels, scale)
