"""What the memories hold: compressed sizes, and when the input of a plan is loaded.

A unit is what is loaded together and stays: the channels that consecutive steps of a strip have in
common, all channels where the layer has no groups.

Assumption: a unit that another one follows has half of the IARAM, so that the next one can be
loaded meanwhile; or all of it, and then it begins when the unit before has ended and its output has
left.  What fits neither way is streamed through the IARAMs, again in each step that reads it; a
unit of one step always is.

Rule: specification/scnn.md, SCN-11.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from arch.scnn.counts import steps_of
from arch.scnn.feed import Feed
from arch.scnn.plane import Plane, whole_entries
from arch.scnn.spec import ScnnSpec
from arch.scnn.weights import Weights


def stored_bytes(entries: np.ndarray, spec: ScnnSpec) -> np.ndarray:
    """Whole bytes of so many stored entries."""
    size: np.ndarray = -(-entries * spec.entry_bits // 8)
    return size


def plane_bytes(feed: Feed, spec: ScnnSpec) -> int:
    """Bytes of an image in DRAM."""
    return int(stored_bytes(np.array(whole_entries(feed, spec)), spec))


def held_bytes(entries: np.ndarray, on: Plane, spec: ScnnSpec) -> np.ndarray:
    """IARAM bytes of each tile, int64 (C, tiles) -> (tiles,); shared ones lie spread over PEs."""
    total = entries.sum(axis=0)
    return stored_bytes(-(-total // spec.pes) if on.shared else total, spec)


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """The input of all strips: bytes that each step loads, int64 (steps,).

    Parameters
    ----------
    held : each unit once, in its first step
    streamed : in each step all that it reads
    starts : bool (steps,), whether a unit begins
    most : IARAM bytes of a PE that the largest unit of several steps takes
    whole : int64 (tiles,), IARAM bytes of all channels, None where strips follow each other
    """

    held: np.ndarray
    streamed: np.ndarray
    starts: np.ndarray
    most: int
    whole: np.ndarray | None


def plane_input(spec: ScnnSpec, on: Plane, of: Weights) -> Input:
    """When the input of each strip is loaded."""
    reads = np.logical_or.reduceat(of.reads, steps_of(of.reads, on.shared, spec))
    starts = np.append(True, ~(reads[1:] & reads[:-1]).any(axis=1))
    by_channel = on.by_strip(on.entries).T
    first = np.zeros((on.strips, reads.shape[0]), np.int64)
    np.add.at(first.T, reads.argmax(axis=0), by_channel.T)
    bounds, most = np.append(np.flatnonzero(starts), starts.size), 0
    for low, high in pairwise(bounds.tolist()):
        if high - low > 1:
            unit = on.entries[reads[low:high].any(axis=0)]
            most = max(most, int(held_bytes(unit, on, spec).max()))
    every = np.tile(starts, on.strips)
    every[0] = False
    streamed = by_channel @ reads.T.astype(np.int64)
    return Input(
        stored_bytes(first.reshape(-1), spec),
        stored_bytes(streamed.reshape(-1), spec),
        every,
        most,
        held_bytes(on.entries, on, spec) if on.strips == 1 else None,
    )
