"""projections: exact projections onto what crossbars hold.

Yuan et al. (ISLPED 2019, arXiv 1908.11691).

The method alternates between training towards a projected copy of the weights and projecting, see
``escalate.compressors.admm.convolution``.  Here are the projections: the nearest weights, by the
sum of squares, of which only so many rows, columns or crossbar tiles are not zero, or whose values
are levels times a scale.

A layer matrix has filters as rows and taps (c, r, s) as columns, one matrix for each group of the
convolution; crossbars hold its transpose.
"""

from dataclasses import dataclass

import numpy as np

from escalate.compressors.admm.compressor import TILE, Kind
from escalate.errors import DecompositionError
from escalate.train.pruning import strongest

MOST_ITERATIONS = 100  # of alternating least squares; it ends by itself long before


@dataclass(frozen=True, slots=True)
class Structure:
    """What stays or goes as a whole.

    Parameters
    ----------
    kind : ``rows``, filters; ``columns``, one tap of all filters of a group; ``tiles``, what one
        crossbar holds, those at the ends smaller
    tile : (taps, filters), rows and columns of a crossbar

    Raises
    ------
    DecompositionError
        For a tile without taps or filters.
    """

    kind: Kind = "columns"
    tile: tuple[int, int] = TILE

    def __post_init__(self) -> None:
        if min(self.tile) < 1:
            raise DecompositionError(
                f"a tile is {self.tile[0]} x {self.tile[1]}, wanted at least 1 x 1"
            )

    def count(self, shape: tuple[int, ...]) -> int:
        """How many blocks matrices of a shape (groups, filters, taps) have.

        Examples
        --------
        >>> Structure("tiles", (128, 64)).count((1, 64, 576))
        5
        """
        high, wide = self._block(shape)
        return shape[0] * -(-shape[1] // high) * -(-shape[2] // wide)

    def norms(self, matrices: np.ndarray) -> np.ndarray:
        """Squared Frobenius norms, float64 (groups, blocks down, blocks across).

        Parameters
        ----------
        matrices : float, shape (groups, filters, taps)

        Raises
        ------
        DecompositionError
            If a value is not finite.

        Examples
        --------
        >>> Structure("tiles", (2, 2)).norms(np.array([[[1.0, 1, 2], [1, 1, 0]]])).tolist()
        [[[4.0, 4.0]]]
        """
        high, wide = self._block(matrices.shape)
        squares = np.square(matrices.astype(np.float64))
        down = np.add.reduceat(squares, np.arange(0, matrices.shape[1], high), axis=1)
        found = np.add.reduceat(down, np.arange(0, matrices.shape[2], wide), axis=2)
        if not np.isfinite(found).all():
            raise DecompositionError("weights hold a value that is not finite")
        return found

    def strongest(self, matrices: np.ndarray, keep: int) -> np.ndarray:
        """Where the ``keep`` blocks of largest norm are, of equals the first; bool, same shape.

        What is left of the matrices is the nearest that has no more blocks than that.

        Raises
        ------
        DecompositionError
            If a value is not finite, or there are not so many blocks.

        Examples
        --------
        >>> matrices = np.array([[[3.0, 0.0], [2.0, 2.0], [-1.0, 1.0]]])
        >>> Structure("rows").strongest(matrices, 1).tolist()
        [[[True, True], [False, False], [False, False]]]
        """
        norms, (high, wide) = self.norms(matrices), self._block(matrices.shape)
        if not 0 <= keep <= norms.size:
            raise DecompositionError(f"{keep} {self.kind} are to stay, wanted 0..{norms.size}")
        (chosen,) = strongest([norms], keep)
        inside = np.repeat(np.repeat(chosen, high, axis=1), wide, axis=2)
        return inside[:, : matrices.shape[1], : matrices.shape[2]]

    def _block(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Filters and taps of a block."""
        filters, taps = shape[1:]
        if self.kind == "tiles":
            return self.tile[1], self.tile[0]
        return (1, taps) if self.kind == "rows" else (filters, 1)


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


def filter_rms(weights: np.ndarray) -> np.ndarray:
    """Root mean square of the weights of each filter that are not 0, 1 where none is; float64 (K,).

    Examples
    --------
    >>> filter_rms(np.array([[3.0, -3.0, 0.0], [0.0, 0.0, 0.0]])).tolist()
    [3.0, 1.0]
    """
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    used = np.count_nonzero(flat, axis=1)
    found: np.ndarray = np.sqrt(np.square(flat).sum(axis=1) / np.maximum(used, 1))
    return np.where(used > 0, found, 1.0)


def filter_levels(weights: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Levels of weights divided by the root mean square of their filter, and one level's value.

    Parameters
    ----------
    weights : float, shape (K, ...); zeros stay
    bits : of a level with its sign, 2..7

    Returns
    -------
    levels : int8, same shape
    steps : float64 (K,), what one level is worth; 0 exactly where a whole filter is zero

    Examples
    --------
    >>> levels, steps = filter_levels(np.array([[1.0, -2.0], [10.0, 20.0], [0.0, 0.0]]), 2)
    >>> levels.tolist(), steps.round(6).tolist()
    ([[1, -2], [1, 2], [0, 0]], [1.0, 10.0, 0.0])
    """
    sizes = filter_rms(weights)
    found = to_levels(weights / sizes.reshape(-1, *[1] * (weights.ndim - 1)), bits)
    used = found.levels.reshape(len(weights), -1).any(axis=1)
    return found.levels, np.where(used, sizes * found.scale, 0.0)
