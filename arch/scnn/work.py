"""Plan + tensors -> what every step does: blocks, products, cycles of each PE, stored bytes.

A step is one group of filters on one strip of one image; in a fully connected layer as many groups
as there are PEs.  Nothing here depends on barriers, clocks or the DRAM.
"""

from dataclasses import dataclass, fields

import numpy as np

from arch.pairs import effectual_pairs
from arch.scnn.kernels import block_cycles
from arch.scnn.plan import Strip, cuts, halo_areas
from arch.scnn.queues import queue_activations, queue_weights, store_tiles, store_weights
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


def mask(values: np.ndarray) -> np.ndarray:
    """1 where a value is not zero, uint8: one type, for which the scans are compiled once.

    Examples
    --------
    >>> mask(np.array([-3, 0, 5], np.int8)).tolist()
    [1, 0, 1]
    """
    return (values != 0).view(np.uint8)


def _bytes(entries: np.ndarray, spec: ScnnSpec) -> np.ndarray:
    """Whole bytes of so many stored entries."""
    size: np.ndarray = -(-entries * spec.entry_bits // 8)
    return size


def tile_entries(values: np.ndarray, strip: Strip, spec: ScnnSpec) -> np.ndarray:
    """Entries of the strip's input by channel and tile: mask (C, H, W) -> int64 (C, tiles)."""
    low, high = int(strip.rows.bounds[0]), int(strip.rows.bounds[-1])
    found = np.zeros((values.shape[0], strip.tiles), np.int64)
    store_tiles(
        np.ascontiguousarray(values[:, low:high]),
        not spec.skip_zeros,
        strip.rows.bounds - low,
        strip.columns.bounds,
        spec.longest_run,
        found,
    )
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The strips of every image, and how their input gets on chip.

    ``streamed``: again for each group of filters; ``whole``: the IARAMs hold all images at once.
    """

    strips: list[Strip]
    streamed: bool
    whole: bool


def _need(pixels: np.ndarray, strip: Strip, spec: ScnnSpec) -> np.ndarray:
    """IARAM bytes of each tile of every image; a shared input is spread over all PEs."""
    entries = np.stack([tile_entries(image, strip, spec).sum(axis=0) for image in pixels])
    if strip.shared:
        entries = -(-entries // spec.pes)
    return _bytes(entries, spec)


def _dram_bytes(
    layer: ConvLayer, spec: ScnnSpec, strips: list[Strip], pixels: np.ndarray, by_tap: np.ndarray
) -> tuple[int, int]:
    """Input and weight bytes of one image, the first, each strip read once."""
    inputs = weights = 0
    for strip in strips:
        inputs += int(_bytes(tile_entries(pixels[0], strip, spec).sum(), spec))
        weights += int(_bytes(_stored(layer, spec, strip, by_tap).sum(axis=1), spec).sum())
    return inputs, weights


def choose(layer: ConvLayer, spec: ScnnSpec, pixels: np.ndarray, by_tap: np.ndarray) -> Choice:
    """Strips or streaming, see ``plan``.

    An input that another one follows, of a strip or an image, has half of the IARAM, so that the
    next one can be loaded meanwhile.

    Parameters
    ----------
    layer : ConvLayer
    spec : ScnnSpec
    pixels : mask of the activations, uint8 (N, C, H, W)
    by_tap : mask of the weights, uint8 (C/groups, R, S, K)

    Raises
    ------
    OperandError
        If a tile of one row exceeds the accumulators.
    """
    options = cuts(layer, spec)
    fewest = next(options)
    if len(fewest) == 1:
        need = _need(pixels, fewest[0], spec)
        if need.sum(axis=0).max() <= spec.iaram_bytes:
            return Choice(fewest, streamed=False, whole=True)

    def fits(strips: list[Strip]) -> bool:
        half = spec.iaram_bytes // 2
        return all(_need(pixels, strip, spec).max() <= half for strip in strips)

    if fits(fewest):
        return Choice(fewest, streamed=False, whole=False)
    inputs, weights = _dram_bytes(layer, spec, fewest, pixels, by_tap)
    streamed = weights + sum(
        int(_bytes(tile_entries(pixels[0], strip, spec).sum(), spec)) * strip.steps(spec.pes)
        for strip in fewest
    )
    for strips in options:
        if inputs + weights * len(strips) // len(fewest) > streamed:
            break  # more strips only read more
        if fits(strips):
            if sum(_dram_bytes(layer, spec, strips, pixels, by_tap)) < streamed:
                return Choice(strips, streamed=False, whole=False)
            break
    return Choice(fewest, streamed=True, whole=False)


def _stored(layer: ConvLayer, spec: ScnnSpec, strip: Strip, by_tap: np.ndarray) -> np.ndarray:
    """Entries of the weights by group of filters and channel, int64 (groups of filters, C)."""
    stored = np.zeros((strip.groups.size - 1, layer.C), np.int64)
    store_weights(
        by_tap,
        not spec.skip_zeros,
        strip.groups,
        layer.K // layer.groups,
        spec.longest_run,
        stored,
    )
    return stored


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
    return _Queues(entries, first, _stored(layer, spec, strip, values))


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
    input_bytes[: None if streamed else 1] = _bytes(stored.sum(), spec)
    most, total = halo_areas(strip)
    filters = np.stack([bounds[:-1], bounds[1:]], axis=1)
    copies = 1 if strip.shared else spec.pes
    return _Part(
        slowest=times.max(axis=2).sum(axis=1),
        per_pe=times.sum(axis=1),
        halo_cycles=most * np.diff(bounds),
        input_bytes=input_bytes,
        weight_bytes=_bytes(per_step, spec),
        filters=filters,
        used=_on_pes(np.ones_like(cycles[:, :1]), strip, spec).any(axis=(0, 1)),
        blocks=int(blocks.sum()),
        products=int(np.einsum("ctp,gcp->", here, weights.counts)),
        starts=int(starts.sum()),
        activation_vectors=int((vectors.sum(axis=(1, 2)) * touched).sum()),
        weight_vectors=int(weight_vectors.sum()) * copies,
        halo_words=total * layer.K,
    )


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
        If a single row of outputs does not fit; names layer and field.
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
    joined = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        if field.type is np.ndarray
        else sum(getattr(part, field.name) for part in parts)
        for field in fields(_Part)
        if field.name != "used"
    }
    return Found(
        **joined,
        places=np.array(places, np.int64),
        strips=tuple(strips),
        used_pes=int(np.logical_or.reduce([part.used for part in parts]).sum()),
        useful=useful,
        busy_cycles=int(sum(part.per_pe.sum() for part in parts)),
        pairs=pairs,
        streamed=chosen.streamed,
        whole_input=chosen.whole,
    )
