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
from arch.memory import burst_bytes

Bytes = tuple[np.ndarray, np.ndarray]  # exactly, and every run in whole bursts


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
    def _bands(self) -> list[tuple[list[np.ndarray], np.ndarray]]:
        """Of every tile: input rows, and span of completed output rows, of each of its pieces."""
        known: dict[tuple[int, bool], tuple[list[np.ndarray], np.ndarray]] = {}
        found = []
        for tile in self.tiles:
            top, bottom = tile.box[:2]
            key = top, tile.columns.needed.size > 0  # tiles side by side have the same pieces
            if key not in known:
                needed, points = tile.needed_rows, cut_points(tile, self.rows)
                ends = np.searchsorted(tile.completion, needed[points - 1], side="right")
                edges = np.concatenate([[top], top + ends, [bottom]])
                rows = np.split(needed, points)
                known[key] = rows, np.stack([edges[:-1], edges[1:]], axis=1)
            found.append(known[key])
        return found

    @cached_property
    def pieces(self) -> tuple[tuple[int, np.ndarray], ...]:
        """Tile and input rows of every piece; a tile without input has one empty piece."""
        return tuple((n, rows) for n, (parts, _) in enumerate(self._bands) for rows in parts)

    @cached_property
    def tile_of(self) -> np.ndarray:
        """The tile of every piece, int64 (pieces,)."""
        return np.repeat(np.arange(len(self.tiles)), [len(parts) for parts, _ in self._bands])

    @cached_property
    def last(self) -> np.ndarray:
        """Whether a piece is the last of its tile, bool (pieces,)."""
        found: np.ndarray = np.append(self.tile_of[1:] != self.tile_of[:-1], True)
        return found

    @cached_property
    def completed(self) -> np.ndarray:
        """Output rows that each piece completes in the last pass, int64 (pieces, 2)."""
        found: np.ndarray = np.concatenate([spans for _, spans in self._bands])
        return found

    @cached_property
    def single(self) -> np.ndarray:
        """Whether a piece is one input row or completes at most one output row, bool (pieces,)."""
        start, stop = self.completed.T
        found: np.ndarray = np.array([rows.size <= 1 for _, rows in self.pieces])
        return found | (stop - start <= 1)

    @cached_property
    def strip_of(self) -> np.ndarray:
        """The column strip of every tile, counted from the left, int64 (tiles,)."""
        return np.array([tile.box[2] // self.width for tile in self.tiles])

    def inputs(self, image: StoredTensor, whole_tiles: bool) -> Bytes:
        """Bytes of every piece's (or whole tile's) input."""
        if whole_tiles:
            of = np.arange(len(self.tiles))
            rows = [tile.needed_rows for tile in self.tiles]
        else:
            of, rows = self.tile_of, [rows for _, rows in self.pieces]
        if self.tiles[0].full_width:
            runs = np.zeros((image.rows.shape[0], len(rows)), np.int64)
            some = np.flatnonzero([each.size for each in rows])
            first, last = (np.array([rows[n][end] for n in some], np.int64) for end in (0, -1))
            runs[:, some] = image.rows[:, last + 1] - image.rows[:, first]
            exact, bursts = (size.sum(axis=0) for size in self._both(runs))
            return exact, bursts
        strips = self.tiles[: self.strip_of[-1] + 1]
        needed = [tile.columns.needed for tile in strips]
        spans = [(at[0], at[-1] + 1) if at.size else (0, 0) for at in needed]
        first, stop = np.array(spans, np.int64).T
        at = np.concatenate(rows)
        strip = np.repeat(self.strip_of[of], [each.size for each in rows])
        runs = image.columns[:, at, stop[strip]] - image.columns[:, at, first[strip]]
        edges = np.cumsum([0, *(each.size for each in rows)])
        exact, bursts = (_between(size.sum(axis=0), edges) for size in self._both(runs))
        return exact, bursts

    def outputs(self, planes: StoredTensor) -> Bytes:
        """Bytes of what every piece completes of every plane: (planes, pieces) each."""
        start, stop = self.completed.T
        if self.tiles[0].full_width:
            return self._both(planes.rows[:, stop] - planes.rows[:, start])
        width = self.problem.layer.Q
        edges = np.append(np.arange(0, width, self.width), width)
        runs = np.diff(planes.columns[:, :, edges], axis=2)
        strip = self.strip_of[self.tile_of]
        above = (
            np.cumsum(np.pad(size, ((0, 0), (1, 0), (0, 0))), axis=1) for size in self._both(runs)
        )
        exact, bursts = (rows[:, stop, strip] - rows[:, start, strip] for rows in above)
        return exact, bursts

    def _both(self, runs: np.ndarray) -> Bytes:
        return runs, burst_bytes(runs, self.problem.spec)


def _between(sizes: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Sums of the sizes between neighbouring edges."""
    found: np.ndarray = np.diff(np.append(0, np.cumsum(sizes))[edges])
    return found


def cut_points(tile: Tile, rows: int) -> np.ndarray:
    """Which of a tile's needed rows begin a new piece, the first of all left out."""
    needed = tile.needed_rows
    if rows == 0:
        return np.arange(1, needed.size)
    ends = np.searchsorted(needed, tile.completion[rows - 1 :: rows], side="right")
    found: np.ndarray = np.unique(ends[(ends > 0) & (ends < needed.size)])
    return found
