"""Plan + tensors -> what every step does: blocks, products, cycles of each PE, stored bytes.

A step is one group of filters on one strip of one image; in a fully connected layer as many groups
as there are PEs.  Nothing here depends on barriers, clocks or the DRAM.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arch.pairs import effectual_pairs
from arch.scnn.kernels import block_cycles
from arch.scnn.plan import Strip, halo_areas
from arch.scnn.queues import queue_activations, queue_weights
from arch.scnn.residency import choose, mask, stored_bytes, tile_entries, weight_entries
from arch.scnn.spec import ScnnSpec
from workloads.layer import ConvLayer

# What changes a Found; every other field of the spec leaves it alone.
KEY_FIELDS = (
    "pe_rows",
    "pe_columns",
    "activation_vector",
    "weight_vector",
    "accumulator_entries",
    "iaram_bytes",
    "operand_bytes",
    "index_bits",
    "filters_per_group",
    "tiling",
    "bank_conflicts",
    "channel_cycles",
    "skip_zeros",
)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Counts of a layer, all images; arrays are int64 and run over the steps in order.

    Parameters
    ----------
    slowest : (steps,), sum over input channels of the slowest PE's cycles
    per_pe : (steps, PEs), cycles of each PE
    halo_cycles : (steps,), psums of the largest exchange with one neighbour
    input_bytes, weight_bytes : (steps,), stored bytes that the step begins with
    filters : (steps, 2), from and to which filter
    places : (steps, 2), image and strip
    strips : of each image
    used_pes : PEs that have a tile, or filters, in any step
    blocks, products : of all PEs; products also of outputs that do not exist
    useful : products that belong to an output
    busy_cycles : cycles of all PEs
    starts : cycles of all PEs to begin channels, part of ``busy_cycles``
    activation_vectors, weight_vectors : read from IARAM, and written into FIFOs
    halo_words : psums exchanged
    pairs : products of two non-zeros that belong to an output
    streamed : whether the input is read again for each group of filters
    whole_input : whether the IARAMs hold the input of all images at once
    """

    slowest: np.ndarray
    per_pe: np.ndarray
    halo_cycles: np.ndarray
    input_bytes: np.ndarray
    weight_bytes: np.ndarray
    filters: np.ndarray
    places: np.ndarray
    strips: tuple[Strip, ...]
    used_pes: int
    blocks: int
    products: int
    useful: int
    busy_cycles: int
    starts: int
    activation_vectors: int
    weight_vectors: int
    halo_words: int
    pairs: int
    streamed: bool
    whole_input: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Queues:
    """Weights of a strip's groups, queued and counted: ``counts`` int64 (groups, C, phases)."""

    entries: np.ndarray
    first: np.ndarray
    stored: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        return np.diff(self.first, axis=2)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Counts of one strip of one image; see ``Found``."""

    slowest: np.ndarray
    per_pe: np.ndarray
    halo_cycles: np.ndarray
    input_bytes: np.ndarray
    weight_bytes: np.ndarray
    filters: np.ndarray
    used: np.ndarray
    blocks: int
    products: int
    starts: int
    activation_vectors: int
    weight_vectors: int
    halo_words: int


def _weights(layer: ConvLayer, spec: ScnnSpec, strip: Strip, values: np.ndarray) -> _Queues:
    """Queue the weights, mask (C/groups, R, S, K), of every group of filters."""
    per_group, phases = layer.K // layer.groups, layer.stride**2
    shape = (strip.groups.size - 1, layer.C)
    first = np.zeros((*shape, phases + 1), np.int64)
    keep = not spec.skip_zeros
    taps = strip.rows.tap_phase, strip.columns.tap_phase, layer.stride
    nothing = np.empty(0, np.int32)
    queue_weights(values, keep, strip.groups, per_group, *taps, first, nothing)
    ends = np.cumsum(first[:, :, 1:].reshape(-1)).reshape(*shape, phases)
    first[:, :, 0] = ends[:, :, 0] - first[:, :, 1]
    first[:, :, 1:] = ends
    entries = np.empty(int(ends[-1, -1, -1]), np.int32)
    if entries.size:
        queue_weights(values, keep, strip.groups, per_group, *taps, first, entries)
    return _Queues(entries, first, weight_entries(layer, spec, strip, values))


def _pixels(
    layer: ConvLayer, spec: ScnnSpec, strip: Strip, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Queue the strip's activations of one image: kinds, and where each queue begins."""
    rows, columns = strip.rows, strip.columns
    low, high = int(rows.bounds[0]), int(rows.bounds[-1])
    queues = strip.tiles * layer.stride**2
    entries = np.empty((layer.C, max(1, (high - low) * layer.W)), np.int32)
    first = np.zeros((layer.C, queues + 1), np.int32)
    queue_activations(
        np.ascontiguousarray(values[:, low:high]),
        not spec.skip_zeros,
        rows.bounds - low,
        columns.bounds,
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


def _touched(layer: ConvLayer, groups: np.ndarray) -> np.ndarray:
    """Whether a group of filters reads a channel: bool (groups of filters, C)."""
    own = np.arange(layer.C) // layer.channels_per_group * (layer.K // layer.groups)
    touched: np.ndarray = (groups[:-1, None] < own + layer.K // layer.groups) & (
        groups[1:, None] > own
    )
    return touched


def _on_pes(times: np.ndarray, strip: Strip, spec: ScnnSpec) -> np.ndarray:
    """(groups, C, tiles) -> (steps, C, PEs): a tile's place in the grid, or a group's."""
    groups, channels, _ = times.shape
    steps = strip.steps(spec.pes)
    if strip.shared:
        padded = np.zeros((steps * spec.pes, channels), times.dtype)
        padded[:groups] = times[:, :, 0]
        return padded.reshape(steps, spec.pes, channels).transpose(0, 2, 1)
    grid = np.zeros((groups, channels, spec.pe_rows, spec.pe_columns), times.dtype)
    grid[:, :, : strip.rows.tiles, : strip.columns.tiles] = times.reshape(
        groups, channels, strip.rows.tiles, strip.columns.tiles
    )
    return grid.reshape(groups, channels, spec.pes)


def _part(
    layer: ConvLayer,
    spec: ScnnSpec,
    strip: Strip,
    values: np.ndarray,
    weights: _Queues,
    streamed: bool,
) -> _Part:
    """One strip of one image, mask (C, H, W)."""
    pixels, first = _pixels(layer, spec, strip, values)
    here = np.diff(first, axis=1).reshape(layer.C, strip.tiles, -1).astype(np.int64)
    together = 1 if strip.shared else spec.activation_vector
    vectors = -(-here // together)
    weight_vectors = -(-weights.counts // spec.weight_vector)
    blocks = np.einsum("ctp,gcp->gct", vectors, weight_vectors)
    cycles = blocks
    if spec.skip_zeros and spec.bank_conflicts == "stall":
        cycles = np.zeros_like(blocks)
        block_cycles(
            pixels,
            first,
            weights.entries,
            weights.first,
            strip.rows.out,
            strip.columns.out,
            together,
            spec.weight_vector,
            cycles,
        )
    touched = _touched(layer, strip.groups)
    starts = np.broadcast_to(spec.channel_cycles * touched[:, :, None], cycles.shape)
    times = _on_pes(cycles + starts, strip, spec)
    steps = times.shape[0]
    bounds = strip.groups[:-1][:: spec.pes] if strip.shared else strip.groups[:-1]
    bounds = np.append(bounds, layer.K)
    per_step = np.add.reduceat(
        weights.stored.sum(axis=1), np.searchsorted(strip.groups, bounds[:-1])
    )
    stored = tile_entries(values, strip, spec)
    input_bytes = np.zeros(steps, np.int64)
    input_bytes[: None if streamed else 1] = stored_bytes(stored.sum(), spec)
    most, total = halo_areas(strip)
    filters = np.stack([bounds[:-1], bounds[1:]], axis=1)
    copies = 1 if strip.shared else spec.pes
    return _Part(
        slowest=times.max(axis=2).sum(axis=1),
        per_pe=times.sum(axis=1),
        halo_cycles=most * np.diff(bounds),
        input_bytes=input_bytes,
        weight_bytes=stored_bytes(per_step, spec),
        filters=filters,
        used=_on_pes(np.ones_like(cycles[:, :1]), strip, spec).max(axis=(0, 1)),
        blocks=int(blocks.sum()),
        products=int(np.einsum("ctp,gcp->", here, weights.counts)),
        starts=int(starts.sum()),
        activation_vectors=int((vectors.sum(axis=(1, 2)) * touched).sum()),
        weight_vectors=int(weight_vectors.sum()) * copies,
        halo_words=total * layer.K,
    )


def _joined(parts: Sequence[_Part], name: str) -> np.ndarray:
    """The steps of all parts in order."""
    return np.concatenate([getattr(part, name) for part in parts])


def _total(parts: Sequence[_Part], name: str) -> int:
    return sum(getattr(part, name) for part in parts)


def work(layer: ConvLayer, spec: ScnnSpec, activations: np.ndarray, weights: np.ndarray) -> Found:
    """Everything that a layer's values decide.

    Parameters
    ----------
    layer : ConvLayer
    spec : ScnnSpec
    activations : integers, shape (N, C, H, W)
    weights : integers, shape (K, C/groups, R, S)

    Raises
    ------
    OperandError
        If a tile of one row of outputs exceeds the accumulators; names layer and field.
    """
    pixels = mask(activations)
    by_tap = np.ascontiguousarray(mask(weights).transpose(1, 2, 3, 0))
    chosen = choose(layer, spec, pixels, by_tap)
    strips = chosen.strips
    queued: dict[bytes, _Queues] = {}
    parts: list[_Part] = []
    for image in pixels:
        for strip in strips:
            key = strip.groups.tobytes()
            if key not in queued:
                queued[key] = _weights(layer, spec, strip, by_tap)
            parts.append(_part(layer, spec, strip, image, queued[key], chosen.streamed))
    pairs = effectual_pairs(layer, activations, weights)
    useful = pairs
    if not spec.skip_zeros:
        useful = effectual_pairs(layer, np.ones_like(activations), np.ones_like(weights))
    places = [
        [at // len(strips), at % len(strips)]
        for at, part in enumerate(parts)
        for _ in range(part.slowest.size)
    ]
    return Found(
        slowest=_joined(parts, "slowest"),
        per_pe=_joined(parts, "per_pe"),
        halo_cycles=_joined(parts, "halo_cycles"),
        input_bytes=_joined(parts, "input_bytes"),
        weight_bytes=_joined(parts, "weight_bytes"),
        filters=_joined(parts, "filters"),
        blocks=_total(parts, "blocks"),
        products=_total(parts, "products"),
        starts=_total(parts, "starts"),
        activation_vectors=_total(parts, "activation_vectors"),
        weight_vectors=_total(parts, "weight_vectors"),
        halo_words=_total(parts, "halo_words"),
        places=np.array(places, np.int64),
        strips=tuple(strips),
        used_pes=int(np.max([part.used for part in parts], axis=0).sum()),
        useful=useful,
        busy_cycles=int(sum(part.per_pe.sum() for part in parts)),
        pairs=pairs,
        streamed=chosen.streamed,
        whole_input=chosen.whole,
    )
