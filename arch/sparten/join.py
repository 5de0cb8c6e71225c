"""The inner joins of a layer: all matches, and how long a cluster takes for each filter group.

The time of a unit for one chunk is the number of its matches, of both filters where it has two,
and at least ``load_cycles``: the chunk's broadcast.  ``asynchronous``: a unit runs through the
chunks of a pass on its own, and the cluster is done with an output position when its slowest unit
is.  ``broadcast``: the units wait for each other after each chunk.  ``chunk``: so do all clusters.

Rules: specification/sparten.md, SPA-2 and SPA-5.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from arch.sparten.chunks import lengths, window_masks
from arch.sparten.filters import FilterGroups, chunk_bytes, filter_groups, pass_bounds
from arch.sparten.kernels import BLOCK, count_chunks, join_free, join_locked
from arch.sparten.spec import SpartenSpec
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Input windows of a layer, chunk by chunk.

    Parameters
    ----------
    images : how many
    masks : by convolution group, uint64 (N x P x Q, chunks, words)
    moved : int64 (3, convolution groups, images, chunks): bytes of all output positions on their
        way to the units, accesses out of the input buffer, accesses into one unit
    """

    images: int
    masks: tuple[np.ndarray, ...]
    moved: np.ndarray


def input_windows(layer: ConvLayer, activations: np.ndarray, spec: SpartenSpec) -> Windows:
    """The windows of activations, integers (N, C, H, W)."""
    images, sizes = activations.shape[0], lengths(layer, spec)
    masks, moved = [], []
    for part in np.split(activations, layer.groups, axis=1):
        mask = window_masks(layer, part, spec)
        nonzeros = np.empty(mask.shape[:2], np.int64)
        count_chunks(mask, nonzeros)
        size = chunk_bytes(nonzeros, sizes, spec.skips_activations, spec.operand_bytes)
        each = [size, *(-(-size // port) for port in (spec.port_bytes, spec.unit_port_bytes))]
        moved.append([way.reshape(images, -1, sizes.size).sum(axis=1) for way in each])
        masks.append(mask)
    return Windows(images, tuple(masks), np.array(moved, np.int64).transpose(1, 0, 2, 3))


class Joins:
    """The joins of all filter groups with all windows.

    Parameters
    ----------
    layer : ConvLayer
    windows : Windows
    filters : FilterGroups
    spec : SpartenSpec

    Examples
    --------
    >>> layer, spec = ConvLayer("a", C=2, K=1, H=1, W=2), SpartenSpec()
    >>> windows = input_windows(layer, np.array([1, 0, 2, 3]).reshape(1, 2, 1, 2), spec)
    >>> filters = filter_groups(layer, np.array([5, 6]).reshape(1, 2, 1, 1), spec)
    >>> done = Joins(layer, windows, filters, spec)
    >>> done.times(1).tolist(), done.matched.tolist()
    ([[[2, 1]]], [[[3]]])
    """

    def __init__(
        self, layer: ConvLayer, windows: Windows, filters: FilterGroups, spec: SpartenSpec
    ) -> None:
        self.layer, self.windows, self.filters, self.spec = layer, windows, filters, spec
        self._times: dict[int, np.ndarray] = {}
        self._chunks: np.ndarray | None = None
        self._totals: np.ndarray | None = None

    @property
    def positions(self) -> int:
        """Entries of ``times`` for an output row."""
        return 1 if self.spec.sync == "chunk" else self.layer.Q

    @property
    def known(self) -> tuple[int, ...]:
        """Numbers of passes whose times are worked out."""
        return tuple(self._times)

    def times(self, passes: int) -> np.ndarray:
        """Cycles of a cluster for an output position, int64 (filter groups, passes, N x P x Q).

        In step after each chunk: of all clusters for an output row, (filter groups, passes, N x P).
        """
        if passes not in self._times:
            self.prepare([passes])
        return self._times[passes]

    def prepare(self, counts: Iterable[int]) -> None:
        """Work out the times of several numbers of passes, all in one go."""
        wanted = [count for count in counts if count not in self._times]
        bounds = [pass_bounds(self.filters.chunks, count) for count in wanted]
        if not wanted:
            return
        if self.spec.sync == "chunk":
            chunks = self._locked()
            for count, edges in zip(wanted, bounds, strict=True):
                self._times[count] = np.add.reduceat(chunks, edges[:-1], axis=1)
            return
        spans = np.concatenate([np.stack([edges[:-1], edges[1:]], axis=1) for edges in bounds])
        found = self._free(spans)
        cuts = np.cumsum(wanted)[:-1]
        for count, times in zip(wanted, np.split(found, cuts, axis=1), strict=True):
            self._times[count] = times

    def _groups(self) -> Iterable[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
        """Of each convolution group: its filter groups, their filters, windows and masks."""
        ends = np.cumsum(np.bincount(self.filters.group))
        for group, (mask, filters) in enumerate(
            zip(self.windows.masks, self.filters.masks, strict=True)
        ):
            own = slice(int(ends[group - 1]) if group else 0, int(ends[group]))
            last = np.cumsum(self.filters.sizes[own])
            yield own, np.stack([last - self.filters.sizes[own], last], axis=1), mask, filters

    def _free(self, spans: np.ndarray) -> np.ndarray:
        layer, images, filters = self.layer, self.windows.images, self.filters
        each = layer.P * layer.Q
        times = np.empty((filters.count, spans.shape[0], images * each), np.int64)
        shape = (filters.count, images, -(-each // BLOCK), filters.chunks, 3)
        totals = np.empty(shape, np.int64)
        for own, bounds, windows, masks in self._groups():
            join_free(
                windows,
                masks,
                bounds,
                filters.used[own],
                spans,
                self.spec.load_cycles,
                self.spec.sync == "broadcast",
                times[own],
                totals[own],
            )
        self._totals = totals.sum(axis=2)
        return times

    def _locked(self) -> np.ndarray:
        if self._chunks is not None:
            return self._chunks
        layer, images, filters = self.layer, self.windows.images, self.filters
        rows = images * layer.P
        times = np.empty((filters.count, filters.chunks, rows), np.int64)
        totals = np.empty((filters.count, rows, filters.chunks, 3), np.int64)
        for own, bounds, windows, masks in self._groups():
            join_locked(
                windows,
                masks,
                bounds,
                filters.used[own],
                self.spec.load_cycles,
                self.spec.clusters,
                times[own],
                totals[own],
            )
        shape = (filters.count, images, layer.P, filters.chunks, 3)
        self._totals, self._chunks = totals.reshape(shape).sum(axis=2), times
        return times

    def _total(self, what: int) -> np.ndarray:
        if self._totals is None:
            self.prepare([1])
        assert self._totals is not None
        return self._totals[..., what]

    @property
    def matched(self) -> np.ndarray:
        """Matching pairs, int64 (filter groups, images, chunks)."""
        return self._total(0)

    @property
    def worked(self) -> np.ndarray:
        """Cycles in which units match or wait for a chunk's load, of the same shape."""
        return self._total(1)

    @property
    def waited(self) -> np.ndarray:
        """Cycles of clusters, were their units to wait for each other after each chunk.

        In step after each chunk: cycles times the clusters that have an output position.
        """
        return self._total(2)

    def occupied(self, passes: int, images: slice) -> np.ndarray:
        """Cycles of clusters that have an output position, int64 (filter groups,)."""
        if self.spec.sync == "chunk":
            total: np.ndarray = self.waited[:, images].sum(axis=(1, 2))
            return total
        each = self.layer.P * self.layer.Q
        own = self.times(passes)[:, :, images.start * each : images.stop * each]
        total = own.sum(axis=(1, 2))
        return total


def all_joins(
    layer: ConvLayer, activations: np.ndarray, weights: np.ndarray, spec: SpartenSpec
) -> tuple[Joins, ...]:
    """Joins of filters balanced as the spec says, and of the same filters one in a unit.

    The planner takes what is faster: paired filters lose where their matches do not follow their
    non-zeros.  Where no unit has two filters there is one way only.

    Parameters
    ----------
    layer : ConvLayer
    activations : integers, shape (N, C, H, W)
    weights : integers, shape (K, C/groups, R, S)
    spec : SpartenSpec
    """
    windows = input_windows(layer, activations, spec)
    ways = [spec]
    if spec.balance != "none" and layer.K // layer.groups > spec.units_per_cluster:
        ways.append(spec.model_copy(update={"balance": "none"}))
    return tuple(Joins(layer, windows, filter_groups(layer, weights, way), way) for way in ways)
