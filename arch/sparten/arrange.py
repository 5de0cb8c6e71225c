"""Arrangements: which filters lie in the filter buffer together, and what that asks of buffers.

Either some filter groups lie there whole, or one alone of which a run of chunks passes at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from arch.parts import few_counts, part_counts, parts
from arch.sparten.join import Joins
from arch.sparten.spec import SpartenSpec


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Filter groups cut into blocks, or each filter group cut into passes.

    Parameters
    ----------
    joins : Joins, of filters balanced in one way
    passes : of a block; more than one only where a block is one filter group
    bounds : int64 (blocks + 1,), filter groups of each block
    stored : int64 (blocks, passes), bytes of filters
    filters : int64 (blocks + 1,), the same bounds counted in filters
    pixel_bytes : int64 (blocks,), the most that one output pixel takes of the output buffer
    pieces : int64 (ranges, 2), chunks of the input's channels that some block reads
    which : int64 (blocks,), which of these ranges it is
    """

    joins: Joins
    passes: int
    bounds: np.ndarray
    stored: np.ndarray
    filters: np.ndarray
    pixel_bytes: np.ndarray
    pieces: np.ndarray
    which: np.ndarray

    @cached_property
    def blocks(self) -> int:
        """How many."""
        return self.which.size

    @cached_property
    def most_groups(self) -> int:
        """Filter groups of the largest block."""
        return int(np.diff(self.bounds).max())

    @cached_property
    def most_stored(self) -> int:
        """Bytes of filters that must fit half the filter buffer."""
        return int(self.stored.max())

    @cached_property
    def all_stored(self) -> int:
        """Bytes of all filters."""
        return int(self.stored.sum())

    @cached_property
    def row_bytes(self) -> int:
        """Bytes of one output row that must fit half the output buffer."""
        return self.joins.layer.Q * int(self.pixel_bytes.max())


def output_pixel_bytes(filters: np.ndarray, spec: SpartenSpec) -> np.ndarray:
    """What an output pixel takes beyond its values: masks and pointers of so many channels.

    Examples
    --------
    >>> output_pixel_bytes(np.array([1, 130]), SpartenSpec()).tolist()
    [5, 25]
    """
    if not spec.skips_activations:
        return 0 * filters
    found: np.ndarray = -(-filters // 8) + spec.pointer_bytes * -(-filters // spec.chunk)
    return found


def arrangements(joins: Joins) -> Iterator[Arrangement]:
    """All that there are to choose from, whatever the buffers hold."""
    for passes in few_counts(joins.filters.chunks):
        for blocks in part_counts(joins.filters.count) if passes == 1 else [joins.filters.count]:
            yield arrange(joins, passes, blocks)


def arrange(joins: Joins, passes: int, blocks: int) -> Arrangement:
    """Filter groups in so many blocks, evenly; each in so many passes."""
    filters, spec, layer = joins.filters, joins.spec, joins.layer
    bounds = parts(filters.count, blocks)
    ends = np.append(0, np.cumsum(filters.sizes))[bounds]
    counts, depth = np.diff(ends), layer.channels_per_group
    values = counts * (spec.psum_bytes if passes > 1 else spec.operand_bytes)
    packed = counts * spec.operand_bytes + output_pixel_bytes(counts, spec)
    first, last = filters.group[bounds[:-1]], filters.group[bounds[1:] - 1]
    read = np.stack([first * depth // spec.chunk, -(-(last + 1) * depth // spec.chunk)], axis=1)
    pieces, which = _ranges(read)
    return Arrangement(
        joins,
        passes,
        bounds,
        np.add.reduceat(filters.in_passes(filters.stored, passes), bounds[:-1]),
        ends,
        np.maximum(values, packed),
        pieces,
        which,
    )


def _ranges(read: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each pair once, int64 (ranges, 2), and which of them every pair is; both rise."""
    new = np.ones(read.shape[0], bool)
    new[1:] = (read[1:] != read[:-1]).any(axis=1)
    return read[new], np.cumsum(new) - 1
