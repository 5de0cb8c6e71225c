"""Mapping: which part of a layer each PE works on in each pass, row-stationary plus.

A PE holds M0 x C0 x S0 weights of one kernel row and slides the iacts of one input row over them:
it computes one output row of M0 channels, of one kernel row and C0 channels only.  The PEs that
add up to the same outputs stand in one column of the array, one above the other; each is an
*item*, a pair of (piece of channels, piece of the kernel), numbered with the kernel inside.  D
items make a *set*.  All sets of the array share out, from the outside in: groups (g1), pieces of
M0 output channels (m1), output rows (e1), pieces of an output row (f1).

A *pass* is the time in which the weights in the PEs stay: for one tile of output rows, g1 groups,
m1 x M0 output channels and D items.  Passes run in the order (tile of rows, groups, output
channels, items); psums wait in the GLB until the last items have been added.

Assumption: all of this follows the paper's description of the dataflow; how the chip's own mapper
chooses the numbers, and that a pass ends when its slowest PE ends, is not published.

Rule: specification/eyeriss_v2.md, EV2-6.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from arch.cuts import cut, cut_sizes
from workloads.layer import ConvLayer


def pieces(total: int, size: int) -> int:
    """Pieces of at most ``size``.

    Examples
    --------
    >>> pieces(7, 3)
    3
    """
    return -(-total // size)


@cache
def tile_bounds(images: int, P: int, tile_rows: int) -> np.ndarray:
    """Bounds of tiles of so many output rows, of one image or of several whole ones; int64.

    Examples
    --------
    >>> tile_bounds(2, 5, 3).tolist(), tile_bounds(3, 5, 10).tolist()
    ([0, 3, 5, 8, 10], [0, 10, 15])
    """
    if tile_rows >= P:
        found = cut(images * P, tile_rows)
    else:
        starts = cut(P, tile_rows)[:-1]
        first = np.arange(images, dtype=np.int64)[:, None] * P + starts
        found = np.append(first.ravel(), images * P)
    found.setflags(write=False)
    return found


@dataclass(frozen=True, slots=True)
class Mapping:
    """One layer on the array.

    Parameters
    ----------
    layer, images : the layer and the batch
    M0, C0, S0 : output channels, input channels and taps of a kernel row in one PE
    D : items of a set
    g1, m1, e1, f1 : groups, pieces of output channels, output rows and pieces of a row at once
    tile_rows : output rows of a tile, of one image or of several whole ones
    held : the input of a tile stays in the GLB for all its passes; else each pass loads its own
    """

    layer: ConvLayer
    images: int
    M0: int
    C0: int
    S0: int
    D: int
    g1: int
    m1: int
    e1: int
    f1: int
    tile_rows: int
    held: bool

    @property
    def filters(self) -> int:
        """Output channels of a group."""
        return self.layer.K // self.layer.groups

    @property
    def m_pieces(self) -> int:
        """Pieces of M0 output channels of a group."""
        return pieces(self.filters, self.M0)

    @property
    def c_pieces(self) -> int:
        """Pieces of C0 input channels of a group."""
        return pieces(self.layer.channels_per_group, self.C0)

    @property
    def s_pieces(self) -> int:
        """Pieces of S0 taps of a kernel row."""
        return pieces(self.layer.S, self.S0)

    @property
    def kernel_pieces(self) -> int:
        """Items of one piece of channels."""
        return self.layer.R * self.s_pieces

    @property
    def items(self) -> int:
        """Items that add up to an output."""
        return self.c_pieces * self.kernel_pieces

    @property
    def turns(self) -> tuple[int, int, int]:
        """Turns over groups, output channels and items: the passes of one tile of rows."""
        return (
            pieces(self.layer.groups, self.g1),
            pieces(self.m_pieces, self.m1),
            pieces(self.items, self.D),
        )

    @property
    def segment_columns(self) -> int:
        """Columns of the input plane in one segment of C0 x U iacts; no more than are read."""
        return min(self.layer.strides[1], self.S0)

    @property
    def row_pieces(self) -> np.ndarray:
        """Bounds of the f1 pieces of an output row, int64 (f1 + 1,)."""
        return cut(self.layer.Q, pieces(self.layer.Q, self.f1))

    @property
    def tiles(self) -> np.ndarray:
        """Bounds of the tiles in the output rows of all images, int64 (tiles + 1,)."""
        return tile_bounds(self.images, self.layer.P, self.tile_rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of everything that is told for each pass: (tiles, *turns)."""
        return (self.tiles.size - 1, *self.turns)

    def input_rows(self, tile: int) -> np.ndarray:
        """Input rows under a tile, of all images, rising; int64."""
        layer, bounds = self.layer, self.tiles
        image, p = np.divmod(np.arange(bounds[tile], bounds[tile + 1]), layer.P)
        taps = np.arange(layer.R) * layer.dilations[0] - layer.padding[0]
        row = p[:, None] * layer.strides[0] + taps
        inside = (row >= 0) & (row < layer.H)
        found: np.ndarray = np.unique((image[:, None] * layer.H + row)[inside])
        return found

    @property
    def channel_pieces(self) -> tuple[np.ndarray, np.ndarray]:
        """Pieces of channels first..last+1 of the items of each turn, int64 (turns,)."""
        turn = np.arange(self.turns[2], dtype=np.int64)
        stop = np.minimum((turn + 1) * self.D, self.items)
        return turn * self.D // self.kernel_pieces, -(-stop // self.kernel_pieces)

    def used_pes(self) -> np.ndarray:
        """PEs with work in each pass, int64 of ``shape``."""
        sizes = [
            np.minimum(np.diff(self.tiles), self.e1) * self.f1,
            cut_sizes(self.layer.groups, self.g1),
            cut_sizes(self.m_pieces, self.m1),
            cut_sizes(self.items, self.D),
        ]
        found: np.ndarray = (
            sizes[0][:, None, None, None] * sizes[1][:, None, None] * sizes[2][:, None] * sizes[3]
        )
        return found


def by_item(mapping: Mapping, values: np.ndarray) -> np.ndarray:
    """Sums over the C0 channels and S0 taps of each item.

    Parameters
    ----------
    mapping : Mapping
    values : integers, shape (..., C/groups, R, S)

    Returns
    -------
    int64, shape (..., items)
    """
    at_c = np.arange(0, mapping.layer.channels_per_group, mapping.C0)
    at_s = np.arange(0, mapping.layer.S, mapping.S0)
    summed = np.add.reduceat(values, at_c, axis=-3, dtype=np.int64)
    summed = np.add.reduceat(summed, at_s, axis=-1)
    return np.ascontiguousarray(summed.reshape(*values.shape[:-3], mapping.items))
