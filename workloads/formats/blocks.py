"""Blocks: where zeros of an array lie together, as structured pruning leaves them.

An array of shape (K, ...) is a matrix of K rows; ``across`` says that its columns are walked
instead.  Each row, or column, is cut into blocks of ``size`` numbers, the last of which may be
shorter.  Blocks that are all zero need one bit that says so; only the others need their numbers.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

SIZES = (16, 32, 64, 128)  # tried beside whole kernels, pairs of these and so on, and whole rows


@dataclass(frozen=True, slots=True)
class Cut:
    """How an array is cut: its rows (of ``length`` numbers) or columns, into blocks of ``size``.

    Examples
    --------
    >>> Cut(3, 2, across=False).alive(np.array([1, 2, 0, 0, 0, 3])).tolist()
    [[True, False], [False, True]]
    """

    length: int
    size: int
    across: bool

    def lines(self, flat: np.ndarray) -> np.ndarray:
        """The numbers, line by line, shape (lines, length)."""
        if self.across:
            return np.ascontiguousarray(flat.reshape(self.length, -1).T)
        return flat.reshape(-1, self.length)

    def alive(self, flat: np.ndarray) -> np.ndarray:
        """Which blocks have a non-zero, bool of shape (lines, blocks of a line)."""
        starts = np.arange(0, self.length, self.size)
        found: np.ndarray = np.logical_or.reduceat(self.lines(flat) != 0, starts, axis=1)
        return found

    def inside(self, alive: np.ndarray) -> np.ndarray:
        """Which numbers lie in a block with a non-zero, bool of shape (lines, length)."""
        return np.repeat(alive, self.size, axis=1)[:, : self.length]

    def scatter(self, numbers: np.ndarray, alive: np.ndarray) -> np.ndarray:
        """The flat array whose blocks with a non-zero hold ``numbers``; the others are 0."""
        lines = np.zeros((len(alive), self.length), np.int64)
        lines[self.inside(alive)] = numbers
        return np.ascontiguousarray(lines.T if self.across else lines).reshape(-1)


def _cuts(shape: tuple[int, ...]) -> Iterator[Cut]:
    """Cuts worth trying."""
    rows, row = shape[0], math.prod(shape[1:])
    kernel = math.prod(shape[2:])
    sizes = {size for size in SIZES if size < row} | {row}
    while kernel < row:
        sizes.add(kernel)
        kernel *= 2
    for size in sorted(sizes):
        if size > 1:
            yield Cut(row, size, across=False)
    for size in sorted({*(size for size in SIZES if size < rows), rows}):
        if size > 1 and row > 1:
            yield Cut(rows, size, across=True)


def _entropy(counts: np.ndarray) -> float:
    """Bits of so many symbols of each kind, at their entropy."""
    found = counts[counts > 0]
    return float(-(found * np.log2(found / found.sum())).sum())


def best_cut(values: np.ndarray) -> tuple[Cut | None, float]:
    """The cut with the least entropy of the numbers (None: no cut), and that entropy in bits.

    The entropy is that of the bits of blocks plus that of the numbers in blocks that are alive,
    each as if drawn independently: a lower bound for coders that know no more of the array.

    Parameters
    ----------
    values : integers, shape (K, ...)

    Examples
    --------
    >>> values = np.zeros((4, 64), int)
    >>> values[1] = np.arange(64) % 2
    >>> cut, bits = best_cut(values)
    >>> cut.length, cut.size, round(bits, 2)
    (64, 64, 67.25)
    """
    flat = values.reshape(-1)
    symbols, counts = np.unique(flat, return_counts=True)
    best: Cut | None = None
    least = _entropy(counts)
    zero = np.flatnonzero(symbols == 0)
    if values.ndim < 2 or not zero.size or not flat.any():
        return best, least
    for cut in _cuts(values.shape):
        alive = cut.alive(flat)
        blocks = int(alive.sum())
        if blocks == alive.size:
            continue
        left = counts.copy()
        left[zero[0]] -= flat.size - int(cut.inside(alive).sum())
        bits = _entropy(np.array([blocks, alive.size - blocks])) + _entropy(left)
        if bits < least:
            best, least = cut, bits
    return best, least
