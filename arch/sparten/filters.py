"""Filter groups of a layer: which filters a cluster works on at once, and their bytes by chunk.

The filters of a group go through in one pass, or in several: each takes a run of the filters'
chunks, and psums wait in the output buffer from pass to pass.
"""

from dataclasses import dataclass

import numpy as np

from arch.parts import parts
from arch.sparten.balance import grouping, unit_of_rank
from arch.sparten.chunks import filter_masks, lengths
from arch.sparten.kernels import count_chunks
from arch.sparten.spec import SpartenSpec
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True, eq=False)
class FilterGroups:
    """The filter groups of all convolution groups, one after the other.

    Parameters
    ----------
    group : int64 (filter groups,), convolution group of each
    sizes : int64 (filter groups,), filters of each
    order : int64 (K,), the filters as they are worked on
    masks : by convolution group, uint64 (chunks, words, filters), by rank
    stored : int64 (filter groups, chunks), bytes in DRAM and in the filter buffer, with pointers
    moved : int64 (filter groups, chunks), masks and values, as they go to the units
    accesses : int64 (2, filter groups, chunks), accesses that move them out of the filter buffer
        and into the units
    in_unit : int64 (filter groups, chunks, units that have a filter), bytes of ``moved`` for each
    """

    group: np.ndarray
    sizes: np.ndarray
    order: np.ndarray
    masks: tuple[np.ndarray, ...]
    stored: np.ndarray
    moved: np.ndarray
    accesses: np.ndarray
    in_unit: np.ndarray

    @property
    def count(self) -> int:
        """How many."""
        return self.sizes.size

    @property
    def chunks(self) -> int:
        """Chunks of a filter."""
        return self.stored.shape[1]

    @property
    def used(self) -> np.ndarray:
        """Units that have a filter, int64 (filter groups,)."""
        return np.minimum(self.sizes, self.in_unit.shape[2])

    def in_passes(self, of_chunks: np.ndarray, passes: int, axis: int = 1) -> np.ndarray:
        """Sums over the chunks of each pass of what is known by chunk."""
        found: np.ndarray = np.add.reduceat(of_chunks, pass_bounds(self.chunks, passes)[:-1], axis)
        return found


def pass_bounds(chunks: int, passes: int) -> np.ndarray:
    """Bounds of the runs of chunks of so many passes, int64 (passes + 1,)."""
    return parts(chunks, passes)


def chunk_bytes(nonzeros: np.ndarray, lengths: np.ndarray, packed: bool, word: int) -> np.ndarray:
    """Mask and values of chunks, pointers left out; dense ones have no mask.

    Parameters
    ----------
    nonzeros : int64 (..., chunks)
    lengths : int64 (chunks,), positions of each
    packed : zeros are not stored
    word : bytes of a value

    Examples
    --------
    >>> chunk_bytes(np.array([5, 0]), np.array([16, 9]), True, 1).tolist()
    [7, 2]
    >>> chunk_bytes(np.array([5, 0]), np.array([16, 9]), False, 1).tolist()
    [16, 9]
    """
    if packed:
        found: np.ndarray = -(-lengths // 8) + nonzeros * word
        return found
    return np.broadcast_to(lengths * word, nonzeros.shape)


def filter_groups(layer: ConvLayer, weights: np.ndarray, spec: SpartenSpec) -> FilterGroups:
    """The filter groups of weights, integers (K, C/groups, R, S).

    Examples
    --------
    >>> layer = ConvLayer("a", C=2, K=70, H=1, W=1)
    >>> found = filter_groups(layer, np.ones(layer.weight_shape, np.int32), SpartenSpec())
    >>> found.sizes.tolist(), found.stored.tolist()  # a mask, two values, a pointer each
    ([64, 6], [[448], [42]])
    """
    each = [
        _of_group(layer, group, part, spec)
        for group, part in enumerate(np.split(weights, layer.groups))
    ]
    return FilterGroups(
        np.concatenate([one.group for one in each]),
        np.concatenate([one.sizes for one in each]),
        np.concatenate([one.order for one in each]),
        tuple(mask for one in each for mask in one.masks),
        np.concatenate([one.stored for one in each]),
        np.concatenate([one.moved for one in each]),
        np.concatenate([one.accesses for one in each], axis=1),
        np.concatenate([one.in_unit for one in each]),
    )


def _of_group(layer: ConvLayer, group: int, weights: np.ndarray, spec: SpartenSpec) -> FilterGroups:
    masks, sizes = filter_masks(weights, spec), lengths(layer, spec)
    nonzeros = np.empty(masks.shape[:2], np.int64)
    count_chunks(masks, nonzeros)
    found = grouping(nonzeros, spec)
    counts, first = np.diff(found.bounds), found.bounds[:-1]
    moved = chunk_bytes(found.by_rank(nonzeros), sizes, spec.skips_weights, spec.operand_bytes)
    pointers = spec.pointer_bytes if spec.skips_weights else 0
    total = np.add.reduceat(moved, first)
    used = min(spec.units_per_cluster, int(counts.max()))
    in_unit = np.zeros((counts.size, used, sizes.size), np.int64)
    unit = np.concatenate([unit_of_rank(n, spec.units_per_cluster) for n in counts.tolist()])
    np.add.at(in_unit, (np.repeat(np.arange(counts.size), counts), unit), moved)
    ports = (spec.port_bytes, spec.unit_port_bytes)
    return FilterGroups(
        np.full(counts.size, group, np.int64),
        counts,
        found.order + group * weights.shape[0],
        (np.ascontiguousarray(found.by_rank(masks).transpose(1, 2, 0)),),
        total + pointers * counts[:, None],
        total,
        np.stack([np.add.reduceat(-(-moved // port), first) for port in ports]),
        in_unit.transpose(0, 2, 1),
    )
