"""Where weights go: sets of filters that a tile works on together, steps and lanes.

A filter is walked tap by tap, (r, s), and at each tap through its channels, ``lanes`` at a time:
that is one step of the dense machine.  Small groups of a grouped or depthwise layer share a set:
their channels lie side by side in the lanes, and each filter uses the lanes of its own group.
Source: DNNsim's weight buffer, which packs depthwise layers alike.

Rule: specification/bit_tactical.md, BIT-1.
"""

from dataclasses import dataclass

import numpy as np

from arch.bit_tactical.spec import BitTacticalSpec
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True)
class Layout:
    """Sets of filters of one layer.

    ``merged`` groups make a block; a set holds filters of one block.  ``block`` and ``sizes`` are
    int64 (sets,): the block of a set and its filters.  ``of_set``, ``row`` and ``offset`` are
    int64 (K,): the set of a filter, its row there, and the first of its channels in the block.
    """

    layer: ConvLayer
    lanes: int
    merged: int
    block: np.ndarray
    sizes: np.ndarray
    of_set: np.ndarray
    row: np.ndarray
    offset: np.ndarray

    @property
    def block_channels(self) -> int:
        """Channels of a block; the last one may have fewer."""
        return self.merged * self.layer.channels_per_group

    @property
    def blocks(self) -> int:
        """Blocks of groups."""
        return -(-self.layer.groups // self.merged)

    @property
    def chunks(self) -> int:
        """Steps of one tap."""
        return -(-self.block_channels // self.lanes)

    @property
    def steps(self) -> int:
        """Steps of the dense machine."""
        return self.layer.R * self.layer.S * self.chunks

    def channels_of(self, block: int) -> tuple[int, int]:
        """First channel of a block and the one behind its last."""
        first = block * self.block_channels
        return first, min(first + self.block_channels, self.layer.C)

    def chunk_channels(self) -> np.ndarray:
        """Channels that each step reads, int64 (blocks, steps)."""
        sizes = np.array([np.diff(self.channels_of(block))[0] for block in range(self.blocks)])
        first = np.arange(self.chunks) * self.lanes
        one_tap = np.clip(sizes[:, None] - first, 0, self.lanes)
        return np.tile(one_tap, (1, self.layer.R * self.layer.S)).astype(np.int64)

    def places(self, block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Channel (-1 for none), row and column of every place (step, lane), int64 each."""
        layer = self.layer
        at = np.arange(self.steps * self.lanes, dtype=np.int64)
        tap, rest = np.divmod(at, self.chunks * self.lanes)
        first, last = self.channels_of(block)
        channel = np.where(first + rest < last, first + rest, -1)
        r, s = np.divmod(tap, layer.S)
        return channel, r * layer.dilations[0], s * layer.dilations[1]


def layout(layer: ConvLayer, spec: BitTacticalSpec) -> Layout:
    """The sets of a layer's filters.

    Examples
    --------
    >>> found = layout(ConvLayer("c", C=20, K=40, H=4, W=4, R=3, S=3), BitTacticalSpec())
    >>> found.sizes.tolist(), found.steps
    ([16, 16, 8], 18)
    >>> dw = layout(ConvLayer("dw", C=40, K=40, H=4, W=4, R=3, S=3, groups=40), BitTacticalSpec())
    >>> dw.sizes.tolist(), dw.steps, dw.row.tolist()[14:18], dw.offset.tolist()[14:18]
    ([16, 16, 8], 9, [14, 15, 0, 1], [14, 15, 0, 1])
    """
    channels, filters = layer.channels_per_group, layer.K // layer.groups
    merged = max(1, min(layer.groups, spec.lanes // channels, spec.filters // filters))
    group = np.arange(layer.K, dtype=np.int64) // filters
    block = group // merged
    in_block = np.arange(layer.K, dtype=np.int64) - block * merged * filters
    per_block = -(-merged * filters // spec.filters)
    of_set = block * per_block + in_block // spec.filters
    sets = int(of_set[-1]) + 1
    return Layout(
        layer,
        spec.lanes,
        merged,
        block=np.arange(sets, dtype=np.int64) // per_block,
        sizes=np.bincount(of_set, minlength=sets).astype(np.int64),
        of_set=of_set,
        row=in_block % spec.filters,
        offset=group % merged * channels,
    )
