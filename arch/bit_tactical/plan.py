"""Layer + schedule -> what the tiles do one after the other.

Assumption, as no source tells how a layer is spread over tiles and what stays on chip:

- A pass gives each tile a set of filters; where a layer has fewer sets than there are tiles, as
  many whole copies of its sets as fit take turns at the pallets of windows.
- A pass takes the windows in blocks, in raster order: their outputs fit half the output memory and
  the input lines under them half the activation memory.  A block is whole pallets for every copy,
  or, where memories are small, a part of that.
- The weight memory of a tile has two halves.  A schedule is cut into pieces that fit one, and every
  block of windows takes all pieces: psums then wait in the output memory.
- A step is one piece of one block of one pass.  In a step tiles read memories by themselves and
  advance by themselves; the slowest ends it, and the next begins.
- Input lines are loaded when first needed; a block keeps those that it shares with the block
  before.  An input that fits half the memory stays for the passes after, if they read the same
  channels.  Weights are loaded with the first block, and again with every block where they come
  in pieces.
- How many blocks and pieces there are is chosen, see ``choose``.

Rule: specification/bit_tactical.md, BIT-10.
"""

from dataclasses import dataclass

import numpy as np

from arch.bit_tactical.layout import Layout
from arch.bit_tactical.spec import BitTacticalSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """How one layer runs.

    Parameters
    ----------
    images : first and last + 1
    sets, copies : sets of filters in a pass, and how many tiles share each of them
    blocks : int64 (blocks + 1,), bounds of the blocks of windows
    piece : most steps of a schedule in half a weight memory at once
    pieces : of the longest schedule, at least 1
    channels : int64 (passes, 2), first channel that a pass reads and the one behind its last
    input_stays : all lines of a pass fit half the activation memory
    """

    layout: Layout
    images: slice
    sets: int
    copies: int
    blocks: np.ndarray
    piece: int
    pieces: int
    channels: np.ndarray
    input_stays: bool

    @property
    def windows(self) -> np.ndarray:
        """Windows of each block, int64 (blocks,)."""
        return np.diff(self.blocks)

    @property
    def passes(self) -> np.ndarray:
        """First set of each pass, int64 (passes,)."""
        return np.arange(0, self.layout.sizes.size, self.sets)

    def by_pass(self, of_sets: np.ndarray) -> np.ndarray:
        """Sums of what is known by set, over the sets of each pass."""
        total: np.ndarray = np.add.reduceat(of_sets, self.passes)
        return total


def pallets(windows: np.ndarray, multiplexed: bool, spec: BitTacticalSpec) -> np.ndarray:
    """Groups of windows that share a reading of the weights, int64 of the same shape."""
    at_once = 1 if multiplexed else spec.windows
    groups: np.ndarray = -(-windows // at_once)
    return groups


def row_bytes(sizes: np.ndarray, spec: BitTacticalSpec) -> np.ndarray:
    """Bytes of one step in a weight memory, all slots of so many filters; int64.

    Examples
    --------
    >>> row_bytes(np.array([16, 1]), BitTacticalSpec()).tolist()  # 16 x 11 bits each, and 2
    [353, 23]
    """
    bits = sizes * spec.lanes * spec.slot_bits + spec.advance_bits
    wide: np.ndarray = -(-bits // 8)
    return wide


def pass_channels(found: Layout, passes: np.ndarray, sets: int) -> np.ndarray:
    """First channel that each pass reads and the one behind its last, int64 (passes, 2)."""
    first = found.block[passes]
    last = found.block[np.minimum(passes + sets, found.sizes.size) - 1]
    return np.array(
        [
            (found.channels_of(int(low))[0], found.channels_of(int(high))[1])
            for low, high in zip(first, last, strict=True)
        ],
        np.int64,
    )
