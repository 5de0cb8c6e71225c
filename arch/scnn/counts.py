"""Strip + groups of filters + tensors -> what every step does: blocks, products, cycles of each PE.

A step is one group of filters on one strip of one image; in a fully connected layer as many groups
as there are PEs.  Nothing here depends on barriers, clocks, the sizes of memories or the DRAM.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from arch.scnn.kernels import banks_by_tap, block_cycles
from arch.scnn.plan import Grouping
from arch.scnn.queues import queue_activations, queue_weights, store_weights
from arch.scnn.spec import ScnnSpec
from arch.scnn.tiles import Strip, halo_areas
from workloads.layer import ConvLayer


def mask(values: np.ndarray) -> np.ndarray:
    """1 where a value is not zero, uint8: one type, for which the scans are compiled once.

    Examples
    --------
    >>> mask(np.array([-3, 0, 5], np.int8)).tolist()
    [1, 0, 1]
    """
    return (values != 0).view(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Counts of one or more strips; arrays are int64 and run over the steps in order.

    Parameters
    ----------
    slowest : (steps,), sum over input channels of the slowest PE's cycles
    per_pe : (steps, PEs), cycles of each PE
    halo_cycles : (steps,), psums of the largest exchange with one neighbour
    weight_entries : (steps,), of the weights in run-of-zeros form
    filters : (steps, 2), from and to which filter
    used : (PEs,), 1 for those that have a tile, or filters, in any step
    blocks, products : of all PEs; products also of outputs that do not exist
    starts : cycles of all PEs to begin channels, part of ``per_pe``
    activation_vectors, weight_vectors : read from IARAM, and written into FIFOs
    halo_words : psums exchanged
    """

    slowest: np.ndarray
    per_pe: np.ndarray
    halo_cycles: np.ndarray
    weight_entries: np.ndarray
    filters: np.ndarray
    used: np.ndarray
    blocks: int
    products: int
    starts: int
    activation_vectors: int
    weight_vectors: int
    halo_words: int

    @property
    def steps(self) -> int:
        """Number of steps."""
        return int(self.slowest.size)

    @property
    def busy_cycles(self) -> int:
        """Cycles of all PEs."""
        return int(self.per_pe.sum())

    @property
    def used_pes(self) -> int:
        """PEs that have work in any step."""
        return int(self.used.sum())


def joined(parts: Sequence[Part]) -> Part:
    """All parts, one after the other."""
    found = {}
    for field in fields(Part):
        values = [getattr(part, field.name) for part in parts]
        if field.name == "used":
            found[field.name] = np.max(values, axis=0)
        else:
            arrays = isinstance(values[0], np.ndarray)
            found[field.name] = np.concatenate(values) if arrays else sum(values)
    return Part(**found)


@dataclass(frozen=True, slots=True, eq=False)
class Queues:
    """Weights of all groups, queued, and their entries in run-of-zeros form.

    ``first`` int64 (groups, C, phases + 1), where each phase begins in ``entries``; ``stored``
    int64 (groups, C).
    """

    entries: np.ndarray
    first: np.ndarray
    stored: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Weights by group, channel and phase."""
        return np.diff(self.first, axis=2)


def queued(
    layer: ConvLayer, spec: ScnnSpec, strip: Strip, grouping: Grouping, by_tap: np.ndarray
) -> Queues:
    """Queue the weights, mask (C/groups, R, S, K), of every group of filters."""
    per_group, phases = layer.K // layer.groups, layer.stride**2
    shape = (grouping.size, layer.C)
    first = np.zeros((*shape, phases + 1), np.int64)
    keep, bounds = not spec.skip_zeros, grouping.bounds
    taps = strip.rows.tap_phase, strip.columns.tap_phase, layer.stride
    nothing = np.empty(0, np.int32)
    queue_weights(by_tap, keep, bounds, per_group, *taps, first, nothing)
    ends = np.cumsum(first[:, :, 1:].reshape(-1)).reshape(*shape, phases)
    first[:, :, 0] = ends[:, :, 0] - first[:, :, 1]
    first[:, :, 1:] = ends
    entries = np.empty(int(ends[-1, -1, -1]), np.int32)
    if entries.size:
        queue_weights(by_tap, keep, bounds, per_group, *taps, first, entries)
    stored = np.zeros(shape, np.int64)
    store_weights(by_tap, keep, bounds, per_group, spec.longest_run, stored)
    return Queues(entries, first, stored)


def pixels(
    layer: ConvLayer, spec: ScnnSpec, strip: Strip, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Queue the strip's activations, mask (C, H, W): kinds, and where each queue begins."""
    rows, columns = strip.rows, strip.columns
    low, high = int(rows.bounds[0]), int(rows.bounds[-1])
    left, right = int(columns.bounds[0]), int(columns.bounds[-1])
    queues = strip.tiles * layer.stride**2
    entries = np.empty((layer.C, max(1, (high - low) * (right - left))), np.int32)
    first = np.zeros((layer.C, queues + 1), np.int32)
    queue_activations(
        np.ascontiguousarray(values[:, low:high, left:right]),
        not spec.skip_zeros,
        rows.bounds - low,
        columns.bounds - left,
        rows.kind,
        columns.kind,
        rows.phase,
        columns.phase,
        layer.stride,
        columns.out.shape[0],
        entries,
        first,
    )
    return entries, first


def together(strip: Strip, spec: ScnnSpec) -> int:
    """Activations of a block."""
    return 1 if strip.shared else spec.activation_vector


def touched(layer: ConvLayer, grouping: Grouping) -> np.ndarray:
    """Whether a group of filters reads a channel: bool (groups of filters, C)."""
    bounds = grouping.bounds
    own = np.arange(layer.C) // layer.channels_per_group * (layer.K // layer.groups)
    found: np.ndarray = (bounds[:-1, None] < own + layer.K // layer.groups) & (
        bounds[1:, None] > own
    )
    return found


def by_step(groups: np.ndarray, strip: Strip, spec: ScnnSpec) -> np.ndarray:
    """First row of each step in an array by group of filters."""
    return np.arange(0, groups.shape[0], spec.pes if strip.shared else 1)


def _on_pes(times: np.ndarray, strip: Strip, spec: ScnnSpec) -> np.ndarray:
    """(C, groups, tiles) -> (steps, C, PEs): a tile's place in the grid, or a group's."""
    channels, groups, _ = times.shape
    steps = strip.steps(groups, spec.pes)
    if strip.shared:
        padded = np.zeros((channels, steps * spec.pes), times.dtype)
        padded[:, :groups] = times[:, :, 0]
        return padded.reshape(channels, steps, spec.pes).transpose(1, 0, 2)
    grid = np.zeros((groups, channels, spec.pe_rows, spec.pe_columns), times.dtype)
    grid[:, :, : strip.rows.tiles, : strip.columns.tiles] = times.transpose(1, 0, 2).reshape(
        groups, channels, strip.rows.tiles, strip.columns.tiles
    )
    return grid.reshape(groups, channels, spec.pes)


def step_filters(strip: Strip, grouping: Grouping, spec: ScnnSpec) -> np.ndarray:
    """From and to which filter each step goes: int64 (steps, 2)."""
    starts = grouping.bounds[by_step(grouping.bounds[:-1], strip, spec)]
    return np.stack([starts, np.append(starts[1:], grouping.bounds[-1])], axis=1)


def part(
    layer: ConvLayer,
    spec: ScnnSpec,
    strip: Strip,
    grouping: Grouping,
    weights: Queues,
    values: np.ndarray,
) -> Part:
    """One strip of one image, mask (C, H, W)."""
    queue, first = pixels(layer, spec, strip, values)
    here = np.diff(first, axis=1).reshape(layer.C, strip.tiles, -1).astype(np.int64)
    size = together(strip, spec)
    vectors = -(-here // size)
    weight_vectors = -(-weights.counts // spec.weight_vector)
    blocks = np.einsum("ctp,gcp->cgt", vectors, weight_vectors)
    cycles = np.ascontiguousarray(blocks)
    if spec.skip_zeros and spec.bank_conflicts == "stall":
        banks = banks_by_tap(strip.rows.out, strip.columns.out)
        cycles = np.zeros_like(cycles)
        queues = queue, first, weights.entries, weights.first, banks
        block_cycles(*queues, size, spec.weight_vector, cycles)
    reads = touched(layer, grouping)
    starts = np.broadcast_to(spec.channel_cycles * reads.T[:, :, None], cycles.shape)
    times = _on_pes(cycles + starts, strip, spec)
    filters = step_filters(strip, grouping, spec)
    most, total = halo_areas(strip)
    copies = 1 if strip.shared else spec.pes
    return Part(
        slowest=times.max(axis=2).sum(axis=1),
        per_pe=times.sum(axis=1),
        halo_cycles=most * (filters[:, 1] - filters[:, 0]),
        weight_entries=np.add.reduceat(
            weights.stored.sum(axis=1), by_step(weights.stored, strip, spec)
        ),
        filters=filters,
        used=_on_pes(np.ones_like(cycles[:1]), strip, spec).max(axis=(0, 1)),
        blocks=int(blocks.sum()),
        products=int((here.sum(axis=1) * weights.counts.sum(axis=0)).sum()),
        starts=int(starts.sum()),
        activation_vectors=int((vectors.sum(axis=(1, 2)) * reads).sum()),
        weight_vectors=int(weight_vectors.sum()) * copies,
        halo_words=total * layer.K,
    )
