"""What no plan can undercut: cycles without bank conflicts, and bytes."""

from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np

from arch.scnn.counts import touched
from arch.scnn.plan import Grid, Grouping
from arch.scnn.queues import survey_tiles
from arch.scnn.residency import stored_bytes
from arch.scnn.spec import ScnnSpec
from arch.scnn.tiles import Axis, Strip, column_tiles, row_tiles
from arch.spec import MachineSpec
from workloads.layer import ConvLayer

EXACT = 1 - 1e-9  # what rounding of floats may add to a bound


@dataclass(frozen=True, slots=True)
class Fused:
    """What neighbours allow: no input is loaded, or no output stored; then the plane is whole."""

    input: bool = False
    output: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """What a plan is made for, one image: masks, uint8.

    ``pixels`` (C, H, W), ``by_tap`` (C/groups, R, S, K), ``outputs`` (K, P, Q).
    """

    layer: ConvLayer
    pixels: np.ndarray
    by_tap: np.ndarray
    outputs: np.ndarray

    @property
    def stored(self) -> int:
        """Outputs that are not zero."""
        return int(np.count_nonzero(self.outputs))

    def group(self, number: int) -> "Feed":
        """One layer group as a layer of its own."""
        layer = self.layer
        depth, per = layer.channels_per_group, layer.K // layer.groups
        filters = slice(number * per, (number + 1) * per)
        return Feed(
            replace(layer, C=depth, K=per, groups=1),
            self.pixels[number * depth : (number + 1) * depth],
            np.ascontiguousarray(self.by_tap[..., filters]),
            self.outputs[filters],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A grid on an image.

    ``vectors`` float64 (C x phases, tile rows, tile columns), ``entries`` int64 (C, tile rows, tile
    columns), over the tiles of all strips; ``rows`` and ``columns`` have the tiles along each side.
    """

    rows: list[Axis]
    columns: list[Axis]
    vectors: np.ndarray
    entries: np.ndarray
    shared: bool

    @property
    def first_rows(self) -> np.ndarray:
        """Where each strip's tiles begin, rows; int64 (strips of rows + 1,)."""
        return np.cumsum([0, *(side.tiles for side in self.rows)])

    @property
    def first_columns(self) -> np.ndarray:
        """Where each strip's tiles begin, columns."""
        return np.cumsum([0, *(side.tiles for side in self.columns)])

    @property
    def strips(self) -> list[Strip]:
        """All strips, row by row."""
        return [Strip(*sides, self.shared) for sides in product(self.rows, self.columns)]

    def strip_entries(self) -> list[np.ndarray]:
        """Entries of every strip, int64 (C, tiles) each."""
        rows, columns = pairwise(self.first_rows), list(pairwise(self.first_columns))
        return [
            self.entries[:, low:high, left:right].reshape(self.entries.shape[0], -1)
            for low, high in rows
            for left, right in columns
        ]

    def slowest(self, fewest: "Weights", spec: ScnnSpec) -> float:
        """Cycles of the slowest PEs if no block conflicts and no vector of weights is split.

        fewest : Weights, of one group of all filters: any groups have as many vectors at least
        """
        shape = self.vectors.shape
        cycles = (fewest.vectors @ self.vectors.reshape(shape[0], -1)).reshape(shape[1:])
        if self.shared or spec.barrier == "layer":
            return float(cycles.sum()) / spec.pes
        by_strip = np.maximum.reduceat(cycles, self.first_columns[:-1], axis=1)
        return float(np.maximum.reduceat(by_strip, self.first_rows[:-1], axis=0).sum())


def _inputs(sides: list[Axis]) -> np.ndarray:
    """From and to which input every tile goes, int64 (tiles, 2)."""
    ends = [np.stack([side.bounds[:-1], side.bounds[1:]], axis=1) for side in sides]
    return np.concatenate(ends)


def ground(feed: Feed, spec: ScnnSpec, grid: Grid) -> Ground:
    """Scan the image in the tiles of a grid."""
    layer = feed.layer
    rows = [row_tiles(layer, spec, part) for part in grid.rows]
    columns = [column_tiles(layer, spec, part) for part in grid.columns]
    down, across, phases = _inputs(rows), _inputs(columns), layer.stride**2
    vectors = np.empty((layer.C, phases, len(down), len(across)))
    entries = np.empty((layer.C, len(down), len(across)), np.int64)
    survey_tiles(
        feed.pixels,
        not spec.skip_zeros,
        down,
        across,
        np.array([layer.padding[0], layer.padding[2]], np.int64),
        layer.stride,
        1 if layer.is_linear else spec.activation_vector,
        spec.longest_run,
        vectors,
        entries,
    )
    return Ground(
        rows, columns, vectors.reshape(-1, len(down), len(across)), entries, layer.is_linear
    )


def by_filter(feed: Feed, spec: ScnnSpec, on: Ground) -> np.ndarray:
    """Weights of every filter by channel of its layer group and phase: (phases, C/groups, K)."""
    layer, stride = feed.layer, feed.layer.stride
    values = feed.by_tap if spec.skip_zeros else np.ones_like(feed.by_tap)
    flat = values.reshape(values.shape[0], -1, layer.K)
    if flat.shape[1] == 1 and stride == 1:
        return flat.reshape(1, -1, layer.K)
    phase = (on.rows[0].tap_phase[:, None] * stride + on.columns[0].tap_phase).reshape(-1)
    found = np.zeros((stride * stride, flat.shape[0], layer.K), np.uint16)
    for tap, which in enumerate(phase.tolist()):
        found[which] += flat[:, tap]
    return found


def weight_counts(layer: ConvLayer, filters: np.ndarray, grouping: Grouping) -> np.ndarray:
    """Weights by phase, group of filters and channel: int (phases, groups, C)."""
    bounds = grouping.bounds
    if layer.groups == 1:
        sums = np.add.reduceat(filters, bounds[:-1], axis=2, dtype=np.int32)
        return sums.transpose(0, 2, 1)
    per, phases = layer.K // layer.groups, filters.shape[0]
    total = np.zeros((*filters.shape[:2], layer.K + 1), np.int64)
    np.cumsum(filters, axis=2, out=total[:, :, 1:])
    own = np.arange(layer.groups) * per
    ends = np.clip(bounds[:, None], own, own + per)  # (groups + 1, layer groups)
    counts = np.diff(total[:, :, ends], axis=2)  # (phases, depth, groups, layer groups)
    return counts.transpose(0, 2, 3, 1).reshape(phases, grouping.size, layer.C)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Groups of filters: vectors of all groups (C x phases,), and bytes of all weights at least."""

    grouping: Grouping
    vectors: np.ndarray
    least_bytes: int


def weights(layer: ConvLayer, spec: ScnnSpec, filters: np.ndarray, grouping: Grouping) -> Weights:
    """Vectors of the weights of all groups; ``filters`` as ``by_filter`` gives them."""
    counts = weight_counts(layer, filters, grouping)
    full = (-(-counts // spec.weight_vector)).sum(axis=1)  # (phases, C)
    least = int(counts.sum()) * spec.entry_bits // 8
    return Weights(grouping, full.T.reshape(-1).astype(np.float64), least)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A plan not yet looked at.

    ``least`` no plan of the kind takes fewer cycles than; ``blocks`` are about its cycles without
    bank conflicts, ``idle`` those of the first load and the last store, ``busy`` those of the
    DRAM, which only order the search.
    """

    ground: Ground
    grouping: Grouping
    least: int
    blocks: float
    idle: float
    busy: float

    def about(self, conflicts: float) -> float:
        """Cycles, if blocks take so many each."""
        return max(conflicts * self.blocks + self.idle, self.busy)


def transfer(size: float, spec: MachineSpec) -> float:
    """Cycles that so many bytes take."""
    return size * spec.clock_hz / spec.dram_bandwidth_bytes_per_s


def candidate(
    feed: Feed,
    spec: ScnnSpec,
    on: Ground,
    of: Weights,
    fewest: Weights,
    *,
    slow: float,
    left: float,
    fused: Fused,
) -> Candidate:
    """Bound one plan: the DRAM is busy for all its bytes, the slowest PEs for all their blocks.

    Parameters
    ----------
    feed : Feed
    spec : ScnnSpec
    on : Ground
    of, fewest : Weights, of the plan's groups and of one group of all filters
    slow : as ``Ground.slowest`` gives it
    left : bytes of the outputs that are stored, at least
    fused : Fused
    """
    strips = len(on.rows) * len(on.columns)
    steps = strips * -(-of.grouping.size // (spec.pes if on.shared else 1))
    by_channel = on.entries.sum(axis=(1, 2))
    bits = spec.entry_bits / 8
    once = 0.0 if fused.input else float(by_channel.sum()) * bits
    moved = once + strips * of.least_bytes + left
    vectors = on.vectors.sum(axis=(1, 2))
    many, few = float(vectors @ of.vectors), float(vectors @ fewest.vectors)
    read = once
    if (
        not fused.input
        and steps > strips
        and _need(feed.layer, on, of.grouping, spec) > spec.iaram_bytes
    ):
        read = float((touched(feed.layer, of.grouping) @ by_channel).sum()) * bits
    first = (once + of.least_bytes) / strips if steps == strips else once / strips
    waits = 2 * spec.dram_latency_cycles
    return Candidate(
        on,
        of.grouping,
        int(EXACT * max(many / spec.pes, slow, transfer(moved, spec))),
        slow * many / few if few else 0.0,
        waits + transfer(first + (of.least_bytes + left) / steps, spec),
        transfer(moved - once + read, spec) + waits * steps,
    )


def _need(layer: ConvLayer, on: Ground, grouping: Grouping, spec: ScnnSpec) -> int:
    """IARAM bytes of a PE that hold a strip's input, or that of a layer group."""
    depth = layer.channels_per_group if grouping.aligned else layer.C
    if grouping.aligned and grouping.most > layer.K // layer.groups:
        return 0
    most = on.entries.reshape(-1, depth, *on.entries.shape[1:]).sum(axis=1).max(keepdims=True)
    return int(stored_bytes(-(-most // spec.pes) if on.shared else most, spec).max())
