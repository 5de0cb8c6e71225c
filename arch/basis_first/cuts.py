"""A cut of a layer: its tiles, and the even pieces of rows in which a tile is broadcast.

Unlike the row groups of the named orders, the pieces of an ``auto`` plan do not grow with the
buffers: each completes so many output rows of its tile, whatever fits.

Rule: specification/basis_first_memory.md, BF-55.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from arch.basis_first.layout import StoredTensor
from arch.basis_first.tiling import Tile, TilingProblem, grid


@dataclass(frozen=True)
class Cut:
    """Tiles of ``height`` x ``width`` outputs, cut where another ``rows`` output rows are complete.

    ``rows`` = 0 stands for pieces of one input row.
    """

    problem: TilingProblem
    height: int
    width: int
    rows: int

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """All tiles, row by row."""
        return tuple(grid(self.problem.layer, self.height, self.width))

    @cached_property
    def pieces(self) -> tuple[tuple[int, np.ndarray], ...]:
        """Tile and input rows of every piece; a tile without input has one empty piece."""
        return tuple(
            (n, rows)
            for n, tile in enumerate(self.tiles)
            for rows in np.split(tile.needed_rows, cut_points(tile, self.rows))
        )

    @cached_property
    def tile_of(self) -> np.ndarray:
        """The tile of every piece, int64 (pieces,)."""
        return np.array([tile for tile, _ in self.pieces])

    @cached_property
    def last(self) -> np.ndarray:
        """Whether a piece is the last of its tile, bool (pieces,)."""
        found: np.ndarray = np.append(self.tile_of[1:] != self.tile_of[:-1], True)
        return found

    @cached_property
    def completed(self) -> np.ndarray:
        """Output rows that each piece completes in the last pass, int64 (pieces, 2)."""
        found = np.zeros((len(self.pieces), 2), np.int64)
        at = 0
        for n, (number, rows) in enumerate(self.pieces):
            tile = self.tiles[number]
            top, bottom = tile.box[:2]
            if n == 0 or self.tile_of[n - 1] != number:
                at = top
            stop = bottom
            if not self.last[n]:
                stop = top + int(np.searchsorted(tile.completion, rows[-1], side="right"))
            found[n] = at, stop
            at = stop
        return found

    @cached_property
    def single(self) -> np.ndarray:
        """Whether a piece is one input row or completes at most one output row, bool (pieces,)."""
        start, stop = self.completed.T
        found: np.ndarray = np.array([rows.size <= 1 for _, rows in self.pieces])
        return found | (stop - start <= 1)

    def inputs(self, image: StoredTensor, whole_tiles: bool) -> tuple[np.ndarray, np.ndarray]:
        """Bytes of every piece's (or whole tile's) input: exactly, and in whole bursts."""
        burst = self.problem.spec.dram_burst_bytes
        if whole_tiles:
            parts = [(tile, tile.needed_rows) for tile in self.tiles]
        else:
            parts = [(self.tiles[number], rows) for number, rows in self.pieces]
        if all(tile.full_width and rows.size for tile, rows in parts):
            first, last = (np.array([rows[end] for _, rows in parts]) for end in (0, -1))
            runs = image.rows[:, last + 1] - image.rows[:, first]
            return runs.sum(axis=0), (-(-runs // burst) * burst).sum(axis=0)
        each = [tile.runs(image, rows) for tile, rows in parts]
        exact = np.array([int(runs.sum()) for runs in each])
        return exact, np.array([int((-(-runs // burst) * burst).sum()) for runs in each])

    def outputs(self, plane: StoredTensor) -> tuple[np.ndarray, np.ndarray]:
        """Bytes of what every piece completes of one plane: exactly, and in whole bursts."""
        burst = self.problem.spec.dram_burst_bytes
        if self.width >= self.problem.layer.Q:
            start, stop = self.completed.T
            runs = plane.rows[0, stop] - plane.rows[0, start]
            return runs, -(-runs // burst) * burst
        each = [
            self.tiles[tile].output_runs(plane, np.arange(*span))
            for (tile, _), span in zip(self.pieces, self.completed, strict=True)
        ]
        exact = np.array([int(runs.sum()) for runs in each])
        return exact, np.array([int((-(-runs // burst) * burst).sum()) for runs in each])


def cut_points(tile: Tile, rows: int) -> np.ndarray:
    """Which of a tile's needed rows begin a new piece, the first of all left out."""
    needed = tile.needed_rows
    if rows == 0:
        return np.arange(1, needed.size)
    ends = np.searchsorted(needed, tile.completion[rows - 1 :: rows], side="right")
    found: np.ndarray = np.unique(ends[(ends > 0) & (ends < needed.size)])
    return found
