"""The two orders of the stages, counted on the same tensors: what each computes and holds.

Coefficients first is the Basis-First machine's order (BF-1): V[k,m] = sum_c T X[c], then
Y[k] = sum_m V[k,m] (*) B[m].  Convolve first is the predecessor's (PENNI, ICML 2020): Z[c,m] =
X[c] (*) B[m], then Y[k] = sum_c,m T Z[c,m].  Exact integers make them the same function.

Both are counted alike: the layer whole, nothing done twice for tiles; an operand that is zero, X,
V or Z, is skipped wherever it would go; the basis is dense; a sum of n terms takes n additions.

Rule: specification/basis_first.md, BF-5.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from arch.basis_first.bounds import check_bounds, extremes
from arch.basis_first.mac_row import tile_axes
from arch.basis_first.modes import channel_tile, k_tiles
from arch.basis_first.spec import BasisFirstSpec
from arch.errors import OperandError
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

CHUNK = 1 << 22  # numbers worked on at once


@dataclass(frozen=True, slots=True)
class OrderCost:
    """One order of the two stages of a decomposed layer.

    Parameters
    ----------
    order : which stage comes first
    multiplies : activation or V times basis, legal taps only; all images
    scale_multiplies : sums times a scale that is not folded away; all images
    pair_adds : additions of the stage with coefficients, X or Z where T is not zero; all images
    intermediate_words : values held between the stages for one image; in coefficients first FIFO
        entries and psums, in convolve first C·M·P·Q
    intermediate_bits : the same in bits
    """

    order: Literal["coefficients_first", "convolve_first"]
    multiplies: int
    scale_multiplies: int
    pair_adds: int
    intermediate_words: int
    intermediate_bits: int

    @property
    def adds(self) -> int:
        """Additions of both stages: every product is added once."""
        return self.pair_adds + self.multiplies

    @property
    def intermediate_bytes(self) -> int:
        """What is held between the stages, in whole bytes."""
        return -(-self.intermediate_bits // 8)


def stage_orders(tensors: LayerTensors, spec: BasisFirstSpec) -> tuple[OrderCost, OrderCost]:
    """Count a decomposed layer in both orders: coefficients first, then convolve first.

    V is made per channel tile, as the machine makes it; where one tile covers the output, the
    first order's counts are the machine's own.  Its line buffer holds, for the output channels in
    flight, ``intermediate_fifo`` values of V per slice, and the psum rows that a row of V reaches
    (all rows where several passes accumulate).  Convolve first holds Z whole: every output
    channel reads all C·M planes, so they outlive the first k-tile unless all coefficients are on
    chip at once.  Z is ``intermediate_bits`` wide, or wider where its exact bounds ask for it.

    Raises
    ------
    OperandError
        If the layer has no two stages (it is not decomposed), or V or a psum leaves its width.
    SpecError
        If the vector or coefficient buffer is too small.

    Examples
    --------
    >>> layer = ConvLayer("conv", C=4, K=2, H=5, W=5, R=3, S=3, padding=(1, 1, 1, 1))
    >>> ones = np.ones((1, 4, 5, 5), np.uint8), np.ones((2, 3, 3), np.int8)
    >>> case = LayerTensors(layer, ones[0], basis=ones[1], coefficients=np.ones((2, 4, 2), np.int8))
    >>> orders = stage_orders(case, BasisFirstSpec())
    >>> [(cost.multiplies, cost.adds, cost.intermediate_words) for cost in orders]
    [(676, 1076, 46), (1352, 1752, 200)]
    """
    layer = tensors.layer
    if tensors.mode != "decomposed":
        raise OperandError(f"{layer.name}: a {tensors.mode} layer has no two stages to order")
    check_bounds(tensors, spec, channel_tile(layer, spec))
    return _coefficients_first(tensors, spec), _convolve_first(tensors, spec)


def _taps(layer: ConvLayer) -> np.ndarray:
    """Legal taps of every input pixel, int64 (H, W)."""
    rows, columns = tile_axes(layer, (0, layer.P, 0, layer.Q))
    return np.outer(rows.taps, columns.taps)


def _readers(tensors: LayerTensors) -> np.ndarray:
    """Output channels with a coefficient at each input channel and basis, int64 (C, M)."""
    layer = tensors.layer
    assert tensors.coefficients is not None
    by_group = tensors.coefficients.reshape(layer.groups, -1, *tensors.coefficients.shape[1:])
    return np.count_nonzero(by_group, axis=1).reshape(layer.C, -1)


def _coefficients_first(tensors: LayerTensors, spec: BasisFirstSpec) -> OrderCost:
    layer, taps = tensors.layer, _taps(tensors.layer)
    used = np.count_nonzero(tensors.activations[:, :, taps > 0], axis=(0, 2))
    weights = np.tile(taps.ravel(), tensors.images)
    multiplies = sums = 0
    for factors, pixels in _sums(tensors, channel_tile(layer, spec)):
        sums += int(factors.any(axis=0).sum())
        step = max(1, CHUNK // pixels.shape[1])
        for at in range(0, factors.shape[1], step):
            values = factors[:, at : at + step].T @ pixels
            multiplies += int((np.count_nonzero(values, axis=0) * weights).sum())
    fifo, psums = _line_buffer(tensors, spec)
    return OrderCost(
        "coefficients_first",
        multiplies,
        tensors.multiplies_per_sum * sums * int(np.count_nonzero(taps)) * tensors.images,
        int((_readers(tensors).sum(axis=1) * used).sum()),
        fifo + psums,
        fifo * spec.intermediate_bits + psums * spec.psum_bits,
    )


def _sums(tensors: LayerTensors, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Per group and channel tile: factors (C_t, K/groups·M) and activations (C_t, pixels).

    In float64, in which every sum is exact.
    """
    layer = tensors.layer
    pixels = tensors.activations.transpose(1, 0, 2, 3).reshape(layer.C, -1).astype(np.float64)
    factors = tensors.scaled_coefficients().transpose(1, 0, 2).astype(np.float64)
    size, outputs = layer.channels_per_group, layer.K // layer.groups
    for group in range(layer.groups):
        mine = factors[:, group * outputs : (group + 1) * outputs].reshape(size, -1)
        for low in range(0, size, width):
            high = min(low + width, size)
            yield mine[low:high], pixels[group * size + low : group * size + high]


def _line_buffer(tensors: LayerTensors, spec: BasisFirstSpec) -> tuple[int, int]:
    """FIFO entries and psums of all output channels in flight."""
    layer = tensors.layer
    tiles = k_tiles(tensors, spec)
    parts = [part for tile in tiles for part in tile.passes]
    blocks = max(part.blocks for part in parts)
    slices = max(part.slices for part in parts)
    most = -(-layer.reach[0] // layer.strides[0])
    rows = layer.P if len(tiles[0].passes) > 1 else min(most, layer.P)
    return blocks * slices * spec.intermediate_fifo, blocks * rows * layer.Q


def _convolve_first(tensors: LayerTensors, spec: BasisFirstSpec) -> OrderCost:
    layer, basis, coefficients = tensors.layer, tensors.basis, tensors.coefficients
    assert basis is not None
    assert coefficients is not None
    bases, area = basis.shape[0], layer.P * layer.Q
    taps = _taps(layer) * np.count_nonzero(tensors.activations, axis=(0, 1))
    # A scale meets its sum once per output: alpha per (k, m), p and n per k.
    sums = coefficients.any(axis=1) if tensors.two_sided is None else coefficients.any(axis=(1, 2))
    words = layer.C * bases * area
    return OrderCost(
        "convolve_first",
        bases * int(taps.sum()),
        tensors.multiplies_per_sum * int(sums.sum()) * area * tensors.images,
        int((_readers(tensors) * _convolved(tensors, basis)).sum()),
        words,
        words * max(spec.intermediate_bits, _bits(basis, tensors.activations.dtype)),
    )


def _bits(basis: np.ndarray, dtype: np.dtype) -> int:
    """The least signed width that holds any Z."""
    above, below = extremes(basis.reshape(basis.shape[0], -1), dtype)
    return 1 + max(int(above.max()).bit_length(), max(0, int(below.max()) - 1).bit_length())


def _convolved(tensors: LayerTensors, basis: np.ndarray) -> np.ndarray:
    """Outputs at which Z[c,m] is not zero, over all images: int64 (C, M).

    In float64, in which every sum is exact.
    """
    layer, kernels = tensors.layer, basis.reshape(basis.shape[0], -1).astype(np.float64)
    top, bottom, left, right = layer.padding
    edges = ((0, 0), (0, 0), (top, bottom), (left, right))
    pixels = np.pad(tensors.activations, edges).transpose(1, 0, 2, 3)
    counts = np.zeros((layer.C, len(kernels)), np.int64)
    outputs = tensors.images * layer.P * layer.Q
    step = max(1, CHUNK // (outputs * layer.R * layer.S))
    for at in range(0, layer.C, step):
        taps = [
            pixels[at : at + step, :, *layer.tap(r, s)]
            for r in range(layer.R)
            for s in range(layer.S)
        ]
        planes = kernels @ np.stack(taps).reshape(len(taps), -1).astype(np.float64)
        counts[at : at + step] = np.count_nonzero(planes.reshape(len(kernels), -1, outputs), 2).T
    return counts
