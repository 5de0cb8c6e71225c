"""What the memories hold: compressed sizes, and whether an input is cut or streamed."""

from dataclasses import dataclass

import numpy as np

from arch.scnn.plan import Strip, cuts
from arch.scnn.queues import store_tiles, store_weights
from arch.scnn.spec import ScnnSpec
from workloads.layer import ConvLayer


def mask(values: np.ndarray) -> np.ndarray:
    """1 where a value is not zero, uint8: one type, for which the scans are compiled once.

    Examples
    --------
    >>> mask(np.array([-3, 0, 5], np.int8)).tolist()
    [1, 0, 1]
    """
    return (values != 0).view(np.uint8)


def stored_bytes(entries: np.ndarray, spec: ScnnSpec) -> np.ndarray:
    """Whole bytes of so many stored entries."""
    size: np.ndarray = -(-entries * spec.entry_bits // 8)
    return size


def tile_entries(values: np.ndarray, strip: Strip, spec: ScnnSpec) -> np.ndarray:
    """Entries of a strip's input by channel and tile: mask (C, H, W) -> int64 (C, tiles)."""
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


def weight_entries(
    layer: ConvLayer, spec: ScnnSpec, strip: Strip, by_tap: np.ndarray
) -> np.ndarray:
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
    return stored_bytes(entries, spec)


def _dram_bytes(
    layer: ConvLayer, spec: ScnnSpec, strips: list[Strip], pixels: np.ndarray, by_tap: np.ndarray
) -> tuple[int, int]:
    """Input and weight bytes of one image, the first, each strip read once."""
    inputs = weights = 0
    for strip in strips:
        inputs += int(stored_bytes(tile_entries(pixels[0], strip, spec).sum(), spec))
        weights += int(
            stored_bytes(weight_entries(layer, spec, strip, by_tap).sum(axis=1), spec).sum()
        )
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
        int(stored_bytes(tile_entries(pixels[0], strip, spec).sum(), spec)) * strip.steps(spec.pes)
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
