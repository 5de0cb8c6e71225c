"""Tiles + spec -> passes, what each loads and how long its steps take.

Assumption throughout, as Yuan et al. tell only how weights are laid on crossbars:

- A pass is so many whole columns of tiles as the crossbars hold.  A column with more tiles than
  that is cut into passes of its own; its psums go to DRAM and come back in the next one.
- Crossbars left over hold copies of the pass, which take turns at the outputs.
- First the weights are written, a row of cells of all crossbars at once, in steps of so many rows
  as half the weight buffer holds.  A layer of one pass may have been written beforehand.
- Then outputs pass in raster order, in blocks: so many that they and their psums fit half the
  output buffer and the input lines under them half the input buffer.  Every copy takes one
  output: for each digit and each set of rows driven together one beat, in which cells are read
  and the columns of the beat before are converted.  The widest and the tallest tile set the pace.
- Input channels without a row in a pass are not loaded for it.  An input that fits half the
  buffer stays for the passes after.  Which rows and columns stand where is configuration; its
  bits are not counted.
- Filters without any tile leave with the last pass; a layer without any takes a cycle for each
  output.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arch.crossbar.layout import Layout
from arch.crossbar.spec import CrossbarSpec
from arch.cuts import cut
from arch.errors import OperandError
from arch.lines import lines_under
from arch.steps import Steps


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What the crossbars hold at one time.

    Parameters
    ----------
    first, last : tiles ``first``..``last`` - 1 of the layout
    copies : how often each is there
    bounds : int64 (blocks + 1,), bounds of the blocks of outputs
    fresh : channels that are loaded, those still on chip left out
    strips : int64, strips of its tiles, each once
    done, waiting, resumed : columns whose outputs leave, whose psums leave, whose psums came
    rows_per_step : rows written in one step; 0 where the weights are there already
    """

    first: int
    last: int
    copies: int
    bounds: np.ndarray
    fresh: int
    strips: np.ndarray
    done: int
    waiting: int
    resumed: int
    rows_per_step: int

    @property
    def tiles(self) -> slice:
        """Where its tiles stand in the layout."""
        return slice(self.first, self.last)

    @property
    def rounds(self) -> np.ndarray:
        """Turns of the copies in each block, int64 (blocks,)."""
        turns: np.ndarray = -(-np.diff(self.bounds) // self.copies)
        return turns


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How one layer runs."""

    layout: Layout
    images: int
    passes: tuple[Pass, ...]

    @property
    def outputs(self) -> int:
        """Output pixels of all images."""
        return self.images * self.layout.layer.P * self.layout.layer.Q


def _refuse(name: str, what: str, buffer: str, need: int, half: int) -> OperandError:
    return OperandError(
        f"{name}: {what} needs {need} B of the {buffer} buffer, half of {buffer}_bytes holds "
        f"{half} B"
    )


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


def plan(found: Layout, spec: CrossbarSpec, images: int) -> Plan:
    """Passes and blocks of a layer.

    Raises
    ------
    OperandError
        If the least that a step can work on exceeds half a buffer; names layer, buffer, bytes.
    """
    layer = found.layer
    outputs = images * layer.P * layer.Q
    channels = np.unique(found.channels).size
    half = spec.input_bytes // 2
    stays = images * layer.H * layer.W * channels * spec.operand_bytes <= half
    shares = list(_shares(found, spec.capacity))
    written = spec.programming == "counted" or len(shares) > 1
    seen = np.zeros(layer.C, bool)
    passes = []
    for number, share in enumerate(shares):
        strips = np.unique(found.strip[share.first : share.last])
        used = np.zeros(layer.C, bool)
        for strip in strips.tolist():
            used[found.channels[found.strips[strip] : found.strips[strip + 1]]] = True
        fresh = int((used & ~seen).sum() if stays else used.sum())
        done = share.done + (found.empty_columns if number == len(shares) - 1 else 0)
        copies = _copies(share.last - share.first, outputs, spec)
        word = done * spec.operand_bytes + (share.waiting + share.resumed) * spec.psum_bytes
        bounds = _blocks(found, spec, outputs, word, 0 if stays else fresh, copies)
        passes.append(
            Pass(
                share.first,
                share.last,
                copies,
                bounds,
                fresh,
                strips,
                done,
                share.waiting,
                share.resumed,
                _rows_per_step(found, share, spec) if written else 0,
            )
        )
        seen |= used
    return Plan(found, images, tuple(passes))


def _copies(tiles: int, outputs: int, spec: CrossbarSpec) -> int:
    """So few copies as finish in the least number of turns."""
    if spec.copies == "one" or not tiles:
        return 1
    turns = -(-outputs // min(spec.capacity // tiles, outputs))
    return -(-outputs // turns)


def _rows_per_step(found: Layout, share: _Share, spec: CrossbarSpec) -> int:
    tiles = slice(share.first, share.last)
    row = int(found.columns[tiles].sum())
    if not row:
        return 0
    half = spec.weight_bytes // 2
    if row > half:
        raise _refuse(found.layer.name, "one row of all tiles of a pass", "weight", row, half)
    return min(half // row, int(found.rows[tiles].max()))


def _blocks(
    found: Layout, spec: CrossbarSpec, outputs: int, word: int, depth: int, copies: int
) -> np.ndarray:
    """Bounds of the blocks; ``word`` B of each output and ``depth`` channels must fit."""
    name, half = found.layer.name, spec.output_bytes // 2
    if word > half:
        raise _refuse(name, "one output pixel", "output", word, half)
    size, half_in = min(outputs, half // word), spec.input_bytes // 2
    while True:
        if copies < size < outputs:
            size -= size % copies
        bounds = cut(outputs, size)
        pixels = int(lines_under(found.layer, bounds).sizes().max())
        need = pixels * depth * spec.operand_bytes
        if need <= half_in:
            return bounds
        if size == 1:
            raise _refuse(name, "the lines of one output pixel", "input", need, half_in)
        size = (size + 1) // 2


def phases(rows: np.ndarray, spec: CrossbarSpec) -> np.ndarray:
    """Sets of rows driven one after the other in tiles of so many rows; int64."""
    sets: np.ndarray = -(-rows // spec.rows_at_once)
    return sets


def round_cycles(found: Layout, part: Pass, spec: CrossbarSpec) -> int:
    """Cycles of one turn of the copies."""
    if part.first == part.last:
        return 1
    most = int(phases(found.rows[part.tiles], spec).max())
    return spec.beats * most * spec.beat_cycles(int(found.columns[part.tiles].max()))


def written_rows(found: Layout, part: Pass) -> np.ndarray:
    """Bounds of the rows that the steps of a pass write; int64 (steps + 1,)."""
    if not part.rows_per_step:
        return np.zeros(1, np.int64)
    return cut(int(found.rows[part.tiles].max()), part.rows_per_step)


def weight_loads(found: Layout, part: Pass) -> np.ndarray:
    """Bytes of weights that each step writes; int64 (steps,)."""
    bounds = written_rows(found, part)
    inside = np.minimum(bounds[:, None], found.rows[part.tiles])
    sizes: np.ndarray = np.diff(inside, axis=0) @ found.columns[part.tiles]
    return sizes


def steps(planned: Plan, spec: CrossbarSpec) -> Steps:
    """Every pass: its rows are written, then its blocks of outputs pass."""
    found, lengths = planned.layout, []
    loads: dict[str, list[np.ndarray]] = {"input": [], "weight": [], "psum": []}
    stores: dict[str, list[np.ndarray]] = {"output": [], "psum": []}
    for part in planned.passes:
        rows, blocks = written_rows(found, part), np.diff(part.bounds)
        before, behind = np.zeros(rows.size - 1, np.int64), np.zeros(blocks.size, np.int64)
        lengths += [
            np.diff(rows) * spec.write_cycles,
            part.rounds * round_cycles(found, part, spec),
        ]
        fresh = lines_under(found.layer, part.bounds).fresh() * part.fresh * spec.operand_bytes
        loads["input"] += [before, fresh]
        loads["weight"] += [weight_loads(found, part), behind]
        loads["psum"] += [before, blocks * part.resumed * spec.psum_bytes]
        stores["output"] += [before, blocks * part.done * spec.operand_bytes]
        stores["psum"] += [before, blocks * part.waiting * spec.psum_bytes]
    return Steps(
        np.concatenate(lengths),
        {name: np.concatenate(parts) for name, parts in loads.items()},
        {name: np.concatenate(parts) for name, parts in stores.items()},
    )
