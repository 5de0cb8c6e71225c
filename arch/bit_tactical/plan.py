"""Layer + schedule -> what the tiles do one after the other.

Assumption, as no source tells how a layer is spread over tiles and what stays on chip:

- A pass gives each tile a set of filters; where a layer has fewer sets than there are tiles, as
  many whole copies of its sets as fit take turns at the pallets of windows.
- A pass takes the windows in blocks, in raster order: so many that their outputs fit half the
  output memory and the input lines under them half the activation memory.  Halved until the lines
  fit; whole pallets for every copy where there is room for them.
- The weight memory of a tile has two halves.  A set whose schedule does not fit one is cut into
  pieces, and every block of windows takes all pieces: psums then wait in the output memory.
- A step is one piece of one block of one pass.  In a step tiles read memories by themselves and
  advance by themselves; the slowest ends it, and the next begins.
- Input lines are loaded when first needed; a block keeps those that it shares with the block
  before.  An input that fits half the memory stays for the passes after, if they read the same
  channels.  Weights are loaded with the first block, and again with every block where they come
  in pieces.
"""

from dataclasses import dataclass

import numpy as np

from arch.bit_tactical.layout import Layout
from arch.bit_tactical.schedule import Schedule
from arch.bit_tactical.spec import BitTacticalSpec
from arch.cuts import cut
from arch.errors import OperandError
from arch.lines import lines_under


@dataclass(frozen=True, slots=True)
class Plan:
    """How one layer runs.

    Parameters
    ----------
    sets, copies : sets of filters in a pass, and how many tiles share each of them
    blocks : int64 (blocks + 1,), bounds of the blocks of windows
    piece : most steps of a schedule in half a weight memory
    pieces : of the longest schedule, at least 1
    channels : int64 (passes, 2), first channel that a pass reads and the one behind its last
    input_stays : all lines of a pass fit half the activation memory
    """

    layout: Layout
    images: int
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


def _refuse(name: str, what: str, memory: str, need: int, half: int) -> OperandError:
    return OperandError(
        f"{name}: {what} needs {need} B of the {memory} memory, half of it holds {half} B"
    )


def _channels(found: Layout, passes: np.ndarray, sets: int) -> np.ndarray:
    first = found.block[passes]
    last = found.block[np.minimum(passes + sets, found.sizes.size) - 1]
    return np.array(
        [
            (found.channels_of(int(low))[0], found.channels_of(int(high))[1])
            for low, high in zip(first, last, strict=True)
        ],
        np.int64,
    )


def plan(found: Layout, made: Schedule, spec: BitTacticalSpec, images: int) -> Plan:
    """Passes, blocks and pieces of a layer.

    Raises
    ------
    OperandError
        If the least that a step can work on exceeds half a memory; names layer, memory, bytes.
    """
    layer = found.layer
    sets = min(spec.tiles, found.sizes.size)
    copies = spec.tiles // sets
    half = spec.weight_bytes // spec.tiles // 2
    row = int(row_bytes(np.array(spec.filters), spec))
    if row > half:
        raise _refuse(layer.name, "one step", "weight (of a tile)", row, half)
    piece = min(half // row, found.steps)
    pieces = max(1, -(-int(made.counts.max()) // piece))
    starts = np.arange(0, found.sizes.size, sets)
    filters = int(np.add.reduceat(found.sizes, starts).max())
    window = filters * (spec.psum_bytes if pieces > 1 else spec.operand_bytes)
    if window > spec.output_bytes // 2:
        raise _refuse(layer.name, "one window", "output", window, spec.output_bytes // 2)
    channels = _channels(found, starts, sets)
    depth = int(np.diff(channels, axis=1).max()) * spec.operand_bytes
    stays = images * layer.H * layer.W * depth <= spec.activation_bytes // 2
    total = images * layer.P * layer.Q
    most = min(total, spec.output_bytes // 2 // window)
    bounds = _blocks(found, spec, total, most, 0 if stays else depth, copies)
    return Plan(found, images, sets, copies, bounds, piece, pieces, channels, stays)


def _blocks(
    found: Layout, spec: BitTacticalSpec, total: int, most: int, depth: int, copies: int
) -> np.ndarray:
    """Bounds of the blocks of windows; ``depth`` bytes of each pixel must fit, 0 where all do."""
    layer, half, pallet = found.layer, spec.activation_bytes // 2, copies * spec.windows
    size = most
    while True:
        if pallet < size < total:
            size -= size % pallet
        bounds = cut(total, size)
        need = int(lines_under(layer, bounds).sizes().max()) * depth
        if need <= half:
            return bounds
        if size == 1:
            raise _refuse(layer.name, "the lines of one window", "activation", need, half)
        size = (size + 1) // 2
