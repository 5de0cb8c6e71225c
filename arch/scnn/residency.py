"""What the memories hold: compressed sizes, and when the input of a plan is loaded.

A unit is what is loaded together and stays: the channels that consecutive steps of a strip have in
common, all channels where the layer has no groups.

Assumption: a unit that another one follows has half of the IARAM, so that the next one can be
loaded meanwhile; or all of it, and then it begins when the unit before has ended and its output has
left.  What fits neither way is streamed through the IARAMs, again in each step that reads it; a
unit of one step always is.
"""

from dataclasses import dataclass

import numpy as np

from arch.scnn.counts import by_step, touched
from arch.scnn.plan import Grouping
from arch.scnn.queues import store_tiles
from arch.scnn.spec import ScnnSpec
from arch.scnn.tiles import Strip
from workloads.layer import ConvLayer


def stored_bytes(entries: np.ndarray, spec: ScnnSpec) -> np.ndarray:
    """Whole bytes of so many stored entries."""
    size: np.ndarray = -(-entries * spec.entry_bits // 8)
    return size


def _entries(
    values: np.ndarray, rows: np.ndarray, columns: np.ndarray, spec: ScnnSpec
) -> np.ndarray:
    """Entries of a mask (C, H, W) in tiles with these bounds: int64 (C, tiles)."""
    tiles = (rows.size - 1) * (columns.size - 1)
    found = np.zeros((values.shape[0], tiles), np.int64)
    low, left = int(rows[0]), int(columns[0])
    store_tiles(
        np.ascontiguousarray(values[:, low : int(rows[-1]), left : int(columns[-1])]),
        not spec.skip_zeros,
        rows - low,
        columns - left,
        spec.longest_run,
        found,
    )
    return found


def output_entries(values: np.ndarray, strip: Strip, spec: ScnnSpec) -> np.ndarray:
    """Entries of a strip's output by filter and tile: mask (K, P, Q) -> int64 (K, tiles)."""
    return _entries(values, strip.rows.owned, strip.columns.owned, spec)


def held_bytes(entries: np.ndarray, strip: Strip, spec: ScnnSpec) -> np.ndarray:
    """IARAM bytes of each tile, int64 (C, tiles) -> (tiles,); shared ones lie spread over PEs."""
    total = entries.sum(axis=0)
    return stored_bytes(-(-total // spec.pes) if strip.shared else total, spec)


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """The input of one strip: bytes that each step loads, int64 (steps,).

    Parameters
    ----------
    held : each unit once, in its first step
    streamed : in each step all that it reads
    starts : bool (steps,), whether a unit begins
    most : IARAM bytes of a PE that the largest unit of several steps takes
    """

    held: np.ndarray
    streamed: np.ndarray
    starts: np.ndarray
    most: int


def strip_input(
    layer: ConvLayer, spec: ScnnSpec, strip: Strip, grouping: Grouping, entries: np.ndarray
) -> Input:
    """When a strip's input, entries (C, tiles), is loaded."""
    reads = touched(layer, grouping)
    reads = np.logical_or.reduceat(reads, by_step(reads, strip, spec))
    starts = np.append(True, ~(reads[1:] & reads[:-1]).any(axis=1))
    by_channel = entries.sum(axis=1)
    first = np.zeros(reads.shape[0], np.int64)
    np.add.at(first, reads.argmax(axis=0), by_channel)
    bounds = np.append(np.flatnonzero(starts), starts.size)
    most = 0
    for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if high - low > 1:
            unit = entries[reads[low:high].any(axis=0)]
            most = max(most, int(held_bytes(unit, strip, spec).max()))
    return Input(stored_bytes(first, spec), stored_bytes(reads @ by_channel, spec), starts, most)
