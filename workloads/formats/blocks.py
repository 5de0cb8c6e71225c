"""Blocks of a matrix: which hold anything, and what size of block tells it in the fewest bits.

Rows, columns and tiles of zeros are what structured pruning leaves.
"""

from collections.abc import Iterator

import numpy as np

Pair = tuple[int, int]


def spread(chosen: np.ndarray, block: Pair, shape: Pair) -> np.ndarray:
    """Where the chosen blocks of a matrix are, those at the ends smaller; bool of its shape.

    Examples
    --------
    >>> spread(np.array([[False, True]]), (1, 2), (1, 3)).tolist()
    [[False, False, True]]
    """
    whole = np.repeat(np.repeat(chosen, block[0], axis=0), block[1], axis=1)
    return whole[: shape[0], : shape[1]]


def best_blocks(filled: np.ndarray, cell_bits: int) -> tuple[Pair, np.ndarray]:
    """The size of block that is told in the fewest bits, and which blocks hold anything.

    A bit for each block, and the cells of those that hold anything.  Sides are powers of two, or
    the matrix's own.

    Parameters
    ----------
    filled : bool, shape (rows, columns)
    cell_bits : what a cell takes

    Returns
    -------
    block : (rows, columns) of a block
    chosen : bool, (blocks down, blocks across)

    Examples
    --------
    >>> filled = np.zeros((6, 50), bool)
    >>> filled[1:, ::3] = True
    >>> best_blocks(filled, 4)[0]
    (6, 1)
    """
    tried = [
        ((high, wide), chosen)
        for high, tall in _merged(filled, 0)
        for wide, chosen in _merged(tall, 1)
    ]

    def bits(each: tuple[Pair, np.ndarray]) -> int:
        block, chosen = each
        heights, widths = (
            np.minimum(step, size - np.arange(0, size, step))
            for step, size in zip(block, filled.shape, strict=True)
        )
        return chosen.size + int(heights @ chosen @ widths) * cell_bits

    return min(tried, key=bits)


def _merged(filled: np.ndarray, axis: int) -> Iterator[tuple[int, np.ndarray]]:
    """Sides 1, 2, 4 … and the whole of an axis, and which of its parts of that size hold anything.

    Each is made of the one before.
    """
    side, size = 1, filled.shape[axis]
    while side < size:
        yield side, filled
        filled = np.logical_or.reduceat(filled, np.arange(0, filled.shape[axis], 2), axis=axis)
        side *= 2
    yield size, filled
