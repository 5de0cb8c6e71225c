"""Phase 1: everything that depends on tensors and lanes only, not on tiles, FIFOs or DRAM.

For each part, a (k-tile, pass): t_CA and "V is not zero" of every slot at every pixel, the size of
every broadcast vector, and the psums.  Sections 3 to 5.
"""

from dataclasses import dataclass

import numpy as np

from arch.basis_first.ca_unit import PACKING, ca_cycles, jobs_of, pixel_masks
from arch.basis_first.mac_row import accumulate
from arch.basis_first.modes import KTile, Pass
from arch.basis_first.spec import BasisFirstSpec
from arch.errors import OperandError
from workloads.tensors import LayerTensors

FLOAT32_EXACT = 1 << 24  # integers up to here are exact in float32
MOST_CYCLES = 1 << 15  # t_CA is kept in 15 bits


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Phase 1 of a layer; pixels are (image, y, x) flattened, parts are in (k-tile, pass) order.

    code : uint16 (parts, pixels, slots), 2 * t_CA + (V is not zero); 0 without work
    pairs, vector : int64 (parts, pixels): pairs of all slots, bytes of the broadcast vector
    rows, coefficient_reads, coefficient_read_bytes : int64 (parts,), of all slots at one pixel
    psums : int32 (N, K, P, Q)
    """

    code: np.ndarray
    pairs: np.ndarray
    vector: np.ndarray
    rows: np.ndarray
    coefficient_reads: np.ndarray
    coefficient_read_bytes: np.ndarray
    psums: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The activations as the kernels want them, pixel by pixel.

    floats : (pixels, C), of a type in which every sum over channels is exact
    masks : uint64 (C, words), non-zero pixels; nonzero : bool (pixels, C)
    """

    floats: np.ndarray
    masks: np.ndarray
    nonzero: np.ndarray


def _inputs(tensors: LayerTensors) -> Inputs:
    layer = tensors.layer
    flat = np.ascontiguousarray(tensors.activations.transpose(0, 2, 3, 1)).reshape(-1, layer.C)
    nonzero = flat != 0
    exact = _largest_sum(tensors) < FLOAT32_EXACT
    return Inputs(flat.astype(np.float32 if exact else np.float64), pixel_masks(nonzero.T), nonzero)


def _largest_sum(tensors: LayerTensors) -> int:
    """No sum of a slice, complete or not, is larger in magnitude."""
    if tensors.multiplies_per_sum == 0:
        return tensors.layer.channels_per_group * 255
    return int(np.abs(tensors.scaled_coefficients()).sum(axis=1).max()) * 255


def _signs(tensors: LayerTensors, part: Pass) -> np.ndarray:
    """Coefficients of every slot within the channel tile, int8 (slots, C_t); 0 without work."""
    assert tensors.coefficients is not None
    low, high = part.tile
    channel = part.channel.ravel()
    signs = tensors.coefficients[channel, low:high, part.basis.ravel()]
    signs[channel < 0] = 0
    return signs


def _scaled(tensors: LayerTensors, part: Pass, signs: np.ndarray) -> np.ndarray:
    """What every activation counts in V (section 1): floats (slots, C_t), as ``signs`` are."""
    if tensors.alpha is not None:
        alpha = tensors.alpha[part.channel.ravel(), part.basis.ravel()]
        scaled: np.ndarray = signs * alpha.astype(signs.dtype)[:, None]
        return scaled
    if tensors.two_sided is not None:
        positive, negative = tensors.two_sided
        return np.where(signs > 0, positive * signs, negative * signs)
    return signs


def _values(tensors: LayerTensors, part: Pass, inputs: Inputs) -> np.ndarray:
    """V of every slot at every pixel, whole numbers (pixels, slots); an exact matrix product."""
    source = part.source.ravel()
    if tensors.mode == "bypass":
        return np.ascontiguousarray(inputs.floats[:, source])
    low, high = part.tile
    signs = _scaled(tensors, part, _signs(tensors, part).astype(inputs.floats.dtype))
    firsts = np.unique(source)
    if firsts.size == 1:
        product: np.ndarray = inputs.floats[:, firsts[0] + low : firsts[0] + high] @ signs.T
        return product
    values = np.empty((inputs.floats.shape[0], source.size), inputs.floats.dtype)
    for first in firsts:
        slots = np.flatnonzero(source == first)
        values[:, slots] = inputs.floats[:, first + low : first + high] @ signs[slots].T
    return values


def _kernels(tensors: LayerTensors, part: Pass) -> np.ndarray:
    """The R x S kernel of every slot, int32 (R, S, slots); 0 without work."""
    layer = tensors.layer
    channel, source = part.channel.ravel(), part.source.ravel()
    if tensors.weights is not None:
        group = channel // (layer.K // layer.groups)
        local = np.where(channel < 0, 0, source - group * layer.channels_per_group)
        kernels = tensors.weights[channel, local]
    elif tensors.basis is not None:
        kernels = tensors.basis[part.basis.ravel()]
    else:
        kernels = np.ones((channel.size, 1, 1), np.int8)
    kernels = np.where((channel < 0)[:, None, None], 0, kernels)
    return np.ascontiguousarray(kernels.transpose(1, 2, 0).astype(np.int32))


def _coefficient_work(
    tensors: LayerTensors, spec: BasisFirstSpec, part: Pass, inputs: Inputs, found: Work, n: int
) -> None:
    """t_CA and coefficient reads of one part."""
    signs = _signs(tensors, part)
    lengths = np.count_nonzero(signs, axis=1)
    rows = -(-lengths // spec.ca_lanes)
    if rows.max(initial=0) >= MOST_CYCLES:
        raise OperandError(
            f"{tensors.layer.name}: a slice needs {rows.max()} rows of ca_lanes = "
            f"{spec.ca_lanes}, allowed are fewer than {MOST_CYCLES}"
        )
    used = lengths > 0
    found.rows[n] = rows.sum()
    found.coefficient_reads[n] = used.sum()
    found.coefficient_read_bytes[n] = (-(-(signs.shape[1] + lengths[used]) // 8)).sum()
    slot, channel = np.nonzero(signs)
    channel = channel + part.source.ravel()[slot] + part.tile[0]
    found.pairs[n] = inputs.nonzero @ np.bincount(channel, minlength=tensors.layer.C)
    if slot.size:
        ca_cycles(
            inputs.masks,
            *jobs_of(slot, channel),
            spec.ca_lanes,
            spec.lookahead,
            spec.lookaside,
            PACKING[spec.packing],
            found.code[n],
        )


def _empty(tensors: LayerTensors, k_tiles: tuple[KTile, ...]) -> Work:
    layer, images = tensors.layer, tensors.images
    parts = [part for k_tile in k_tiles for part in k_tile.passes]
    pixels, slots = images * layer.H * layer.W, max(part.channel.size for part in parts)
    return Work(
        np.zeros((len(parts), pixels, slots), np.uint16),
        np.zeros((len(parts), pixels), np.int64),
        np.zeros((len(parts), pixels), np.int64),
        np.zeros(len(parts), np.int64),
        np.zeros(len(parts), np.int64),
        np.zeros(len(parts), np.int64),
        np.zeros((images, layer.K, layer.P, layer.Q), np.int32),
    )


def _add_psums(
    tensors: LayerTensors, k_tile: KTile, part: Pass, values: np.ndarray, psums: np.ndarray
) -> None:
    """Stage 2 of one part; ``psums`` is int32 (N, P, Q, streams) of the k-tile."""
    layer = tensors.layer
    area = layer.H * layer.W
    shape = np.array([layer.H, layer.W], np.int64)
    kernels = _kernels(tensors, part)
    top, left = layer.padding[0], layer.padding[2]
    for n in range(tensors.images):
        image = values[n * area : (n + 1) * area]
        accumulate(image, kernels, shape, layer.stride, top, left, layer.dilation, psums[n])


def work(tensors: LayerTensors, spec: BasisFirstSpec, k_tiles: tuple[KTile, ...]) -> Work:
    """Do phase 1 for all parts of a layer.

    Raises
    ------
    OperandError
        If a slice needs more rows than t_CA can count.
    """
    layer, inputs, found = tensors.layer, _inputs(tensors), _empty(tensors, k_tiles)
    n = 0
    for k_tile in k_tiles:
        streams = k_tile.psum_channels
        psums = np.zeros((tensors.images, layer.P, layer.Q, streams.size), np.int32)
        for part in k_tile.passes:
            size, mask_bytes = part.vector.size, -(-part.vector.size // 8)
            whole = size == layer.C
            chosen = inputs.nonzero if whole else inputs.nonzero[:, part.vector]
            found.vector[n] = np.count_nonzero(chosen, axis=1) + mask_bytes
            values = _values(tensors, part, inputs)
            code = found.code[n][:, : part.channel.size]
            if tensors.mode == "bypass":
                busy = (values != 0) & (part.channel.ravel() >= 0)
                code[:] = busy * np.uint16(3)
            else:
                _coefficient_work(tensors, spec, part, inputs, found, n)
                code |= values != 0
            _add_psums(tensors, k_tile, part, values, psums)
            n += 1
        kept = streams >= 0
        found.psums[:, streams[kept]] = psums[..., kept].transpose(0, 3, 1, 2)
    return found
