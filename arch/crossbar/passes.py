"""Tiles + spec -> passes: what the crossbars hold at one time, whatever the buffers hold.

Assumption throughout, as Yuan et al. tell only how weights are laid on crossbars:

- A pass is so many whole columns of tiles as the crossbars hold.  A column with more tiles than
  that is cut into passes of its own; its psums go to DRAM and come back in the next one.
- Crossbars left over hold copies of the pass, which take turns at the outputs.
- Filters without any tile leave with the last pass; a layer without any takes a cycle for each
  output.

Rules: specification/crossbar.md, XBR-6 and XBR-7.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arch.crossbar.layout import Layout
from arch.crossbar.spec import CrossbarSpec


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What the crossbars hold at one time.

    Parameters
    ----------
    first, last : tiles ``first``..``last`` - 1 of the layout
    copies : how often each is there
    channels : input channels that it reads
    fresh : those of them that no pass before reads
    strips : int64, strips of its tiles, each once
    done, waiting, resumed : columns whose outputs leave, whose psums leave, whose psums came
    tall : rows of its tallest tile; 0 where the weights are there already
    row_bytes : of one row of all its tiles
    turn : cycles in which every copy takes one output
    """

    first: int
    last: int
    copies: int
    channels: int
    fresh: int
    strips: np.ndarray
    done: int
    waiting: int
    resumed: int
    tall: int
    row_bytes: int
    turn: int

    @property
    def tiles(self) -> slice:
        """Where its tiles stand in the layout."""
        return slice(self.first, self.last)

    def output_bytes(self, spec: CrossbarSpec) -> int:
        """Bytes that one output pixel takes of the output buffer."""
        psums = (self.waiting + self.resumed) * spec.psum_bytes
        return self.done * spec.operand_bytes + psums


@dataclass(frozen=True, slots=True)
class _Share:
    """Tiles ``first``..``last`` - 1; columns by what becomes of them."""

    first: int
    last: int
    done: int
    waiting: int = 0
    resumed: int = 0


def _shares(found: Layout, capacity: int) -> Iterator[_Share]:
    """The tiles of every pass, in order; columns without tiles are not in it."""
    starts = np.flatnonzero(np.diff(found.column, prepend=-1))
    ends = np.append(starts, found.tiles)[1:]
    first = done = 0
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        wide = int(found.columns[start])
        if end - first > capacity and start > first:
            yield _Share(first, start, done)
            first, done = start, 0
        if end - start > capacity:
            for at in range(start, end, capacity):
                last = min(at + capacity, end)
                whole = last == end
                yield _Share(at, last, wide * whole, wide * (not whole), wide * (at > start))
            first, done = end, 0
        else:
            done += wide
    if first < found.tiles or not found.tiles:
        yield _Share(first, found.tiles, done)


def passes(found: Layout, spec: CrossbarSpec, outputs: int) -> tuple[Pass, ...]:
    """The passes of a layer of so many output pixels."""
    shares = list(_shares(found, spec.capacity))
    written = spec.programming == "counted" or len(shares) > 1
    seen = np.zeros(found.layer.C, bool)
    made = []
    for number, share in enumerate(shares):
        tiles = slice(share.first, share.last)
        strips = np.unique(found.strip[tiles])
        used = np.zeros(found.layer.C, bool)
        for strip in strips.tolist():
            used[found.channels[found.strips[strip] : found.strips[strip + 1]]] = True
        some = share.last > share.first
        made.append(
            Pass(
                share.first,
                share.last,
                _copies(share.last - share.first, outputs, spec),
                int(used.sum()),
                int((used & ~seen).sum()),
                strips,
                share.done + (found.empty_columns if number == len(shares) - 1 else 0),
                share.waiting,
                share.resumed,
                int(found.rows[tiles].max()) if written and some else 0,
                int(found.columns[tiles].sum()),
                _turn(found, tiles, spec) if some else 1,
            )
        )
        seen |= used
    return tuple(made)


def _copies(tiles: int, outputs: int, spec: CrossbarSpec) -> int:
    """So few copies as finish in the least number of turns."""
    if spec.copies == "one" or not tiles:
        return 1
    turns = -(-outputs // min(spec.capacity // tiles, outputs))
    return -(-outputs // turns)


def phases(rows: np.ndarray, spec: CrossbarSpec) -> np.ndarray:
    """Sets of rows driven one after the other in tiles of so many rows; int64."""
    sets: np.ndarray = -(-rows // spec.rows_at_once)
    return sets


def _turn(found: Layout, tiles: slice, spec: CrossbarSpec) -> int:
    """Cycles of one turn of the copies: the widest and the tallest tile set the pace."""
    most = int(phases(found.rows[tiles], spec).max())
    return spec.beats * most * spec.beat_cycles(int(found.columns[tiles].max()))
