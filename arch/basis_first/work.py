"""Phase 1: what depends on tensors and CA units only, not on blocks, tiles, FIFOs or DRAM.

t_CA and "V is not zero" of every (k, m) at every pixel, and the psums.
Rules: specification/basis_first_time.md, BF-20 to BF-26.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from arch.basis_first.ca_unit import ideal_cycles, positions, sorted_jobs, window_cycles
from arch.basis_first.mac_row import (
    accumulate_basis,
    accumulate_dense,
    accumulate_depthwise,
    geometry,
    reached,
)
from arch.basis_first.modes import channel_tile
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.sums import PIECES, count_coefficients, sums
from arch.bitmask import pack
from arch.blas import one_thread
from arch.errors import OperandError
from arch.jit import parallel_kernel, turns
from arch.threads import Share
from workloads.tensors import LayerTensors

MOST_CYCLES = 1 << 15  # t_CA is kept in 15 bits
# Fields that phase 1 depends on; the buffers through the channel tile.
KEY_FIELDS = (
    "vector_buffer_bytes",
    "coefficient_buffer_bytes",
    "ca_lanes",
    "packing",
    "lookahead",
    "lookaside",
)


@dataclass(frozen=True, eq=False)
class Work:
    """Phase 1 of a layer; pixels are (image, y, x) flattened.

    lengths : int64 (channel tiles, K, M), non-zero coefficients of every sum; empty in bypass
    readers : int64 (C,), non-zero coefficients that read each input channel; 0 in bypass
    psums : int32 (N, K, P, Q)
    touched : psums that at least one non-zero V reaches
    codes : makes ``code``, which many a cut of the channels is rejected without
    """

    lengths: np.ndarray
    readers: np.ndarray
    psums: np.ndarray
    touched: int
    codes: Callable[[], np.ndarray]

    @cached_property
    def code(self) -> np.ndarray:
        """2 * t_CA + (V is not zero): uint16 (channel tiles, pixels, columns).

        Columns are m*K + k with coefficients; in bypass, where V is X, they are k if depthwise,
        else c*groups + group.
        """
        return self.codes()


def work_key(tensors: LayerTensors, spec: BasisFirstSpec) -> Hashable:
    """All that a spec changes about phase 1 of a layer."""
    if tensors.mode == "bypass":
        return ()
    window = (spec.lookahead, spec.lookaside) if spec.packing == "window" else ()
    return (channel_tile(tensors.layer, spec), spec.ca_lanes, spec.packing, window)


def work(tensors: LayerTensors, spec: BasisFirstSpec, known: Work | None = None) -> Work:
    """Do phase 1 of a layer.

    Parameters
    ----------
    known : phase 1 of the same layer with its channels cut in another way, which has the same sums

    Raises
    ------
    OperandError
        If a slice needs more rows than t_CA can count.
    SpecError
        If the buffers leave no channel tile.
    """
    if tensors.mode == "bypass":
        return known or _bypass(tensors)
    return _coefficients(tensors, spec, known)


@parallel_kernel
def _mark(
    share: Share,
    values: np.ndarray,
    first: int,
    known: np.ndarray,
    code: np.ndarray,
    active: np.ndarray,
) -> None:
    """Code of some output channels of one image: the known part of t_CA, and V is not zero.

    values : floats (pixels, M, channels), from output channel ``first`` on
    known : uint16 (M, K), 2 * t_CA where it is the same at all pixels, else 0
    code : out (pixels, M*K); active : uint8 in and out (pixels, K), some V is not zero
    """
    pixels, bases, count = values.shape
    K = known.shape[1]
    for pixel in turns(share, pixels):
        some = active[pixel, first : first + count]
        for m in range(bases):
            begin = m * K + first
            row, out = values[pixel, m], code[pixel, begin : begin + count]
            base = known[m, first : first + count]
            for k in range(count):
                used = row[k] != 0
                out[k] = base[k] + np.uint16(used)
                some[k] |= np.uint8(used)


def _coefficients(tensors: LayerTensors, spec: BasisFirstSpec, known: Work | None) -> Work:
    """Decomposed and pointwise layers."""
    layer, coefficients, width = (
        tensors.layer,
        tensors.coefficients,
        channel_tile(tensors.layer, spec),
    )
    assert coefficients is not None
    tiles = -(-layer.channels_per_group // width)
    lengths = np.zeros((tiles, layer.K, coefficients.shape[2]), np.int64)
    readers = np.zeros((PIECES, layer.groups, layer.channels_per_group), np.int32)
    count_coefficients(coefficients, width, lengths, readers)
    most = -(-lengths.max(initial=0) // spec.ca_lanes)
    if most >= MOST_CYCLES:
        raise OperandError(
            f"{layer.name}: a slice needs {most} rows of ca_lanes = "
            f"{spec.ca_lanes}, allowed are fewer than {MOST_CYCLES}"
        )
    if known is not None:
        return replace(known, lengths=lengths, codes=lambda: _code(tensors, spec, lengths)[0])
    psums = np.zeros((tensors.images, layer.P, layer.Q, layer.K), np.int32)
    code, active = _code(tensors, spec, lengths, psums)
    return Work(
        lengths,
        readers.sum(axis=0, dtype=np.int64).ravel(),
        np.ascontiguousarray(psums.transpose(0, 3, 1, 2)),
        _touched(tensors, active),
        lambda: code,
    )


def _code(
    tensors: LayerTensors,
    spec: BasisFirstSpec,
    lengths: np.ndarray,
    psums: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The code, and of every image which sums are ever active: uint8 (images, H*W, K).

    psums : int32 (N, P, Q, K), out, where they are not known yet
    """
    layer, width, area = (
        tensors.layer,
        channel_tile(tensors.layer, spec),
        tensors.layer.H * tensors.layer.W,
    )
    tiles, K, bases = lengths.shape
    rows = -(-lengths // spec.ca_lanes)
    code = np.empty((tiles, tensors.images * area, bases * K), np.uint16)
    active = np.zeros((tensors.images, area, K), np.uint8)
    shape, basis = geometry(layer), np.ones((1, 1, 1), np.int32)
    if tensors.basis is not None:
        basis = tensors.basis.astype(np.int32)
    counted = rows > (1 if spec.packing != "none" else MOST_CYCLES)
    with one_thread():
        for n in range(tiles):
            tile = (n * width, min((n + 1) * width, layer.channels_per_group))
            fixed = np.ascontiguousarray(np.where(counted[n], 0, 2 * rows[n]).T.astype(np.uint16))
            for part in sums(tensors, tile):
                place = slice(part.image * area, (part.image + 1) * area)
                _mark(part.values, part.first, fixed, code[n, place], active[part.image])
                if psums is not None:
                    accumulate_basis(part.values, basis, shape, part.first, psums[part.image])
            if counted[n].any():
                add_cycles(tensors, spec, tile, lengths[n], counted[n], code[n])
    return code, active


def add_cycles(
    tensors: LayerTensors,
    spec: BasisFirstSpec,
    tile: tuple[int, int],
    lengths: np.ndarray,
    counted: np.ndarray,
    code: np.ndarray,
) -> None:
    """Count t_CA pixel by pixel for the sums that take more than one row."""
    layer, coefficients = tensors.layer, tensors.coefficients
    assert coefficients is not None
    jobs = sorted_jobs(np.where(counted, lengths, 0).T)
    nonzero = tensors.activations.reshape(tensors.images, layer.C, -1) != 0
    channel = positions(coefficients, tile, layer.groups, jobs)
    if spec.packing == "ideal":
        wanted = np.zeros((jobs.column.size, layer.C), bool)
        wanted[np.repeat(np.arange(jobs.column.size), np.diff(jobs.first)), channel] = True
        flat = nonzero.transpose(0, 2, 1).reshape(-1, layer.C)
        words = np.ascontiguousarray(pack(flat).T)
        ideal_cycles(words, pack(wanted), jobs.column, spec.ca_lanes, code)
        return
    masks = [pack(image) for image in nonzero]
    window_cycles(
        np.concatenate(masks, axis=1),
        *(jobs.first, channel, jobs.column),
        *(spec.ca_lanes, spec.lookahead, spec.lookaside),
        nonzero.shape[2],
        code,
    )


def _touched(tensors: LayerTensors, active: np.ndarray) -> int:
    """Psums reached, of all images; ``active`` is uint8 (images, H*W, streams)."""
    layer, total = tensors.layer, 0
    counts = np.empty((layer.P, layer.Q), np.int64)
    for image in active:
        reached(image, geometry(layer), (layer.R, layer.S), counts)
        total += int(counts.sum())
    return total * (layer.K // active.shape[2])


def _bypass(tensors: LayerTensors) -> Work:
    """8-bit weights: V is X, one cycle where it is not zero."""
    layer, weights = tensors.layer, tensors.weights
    assert weights is not None
    shape = geometry(layer)
    psums = np.zeros((tensors.images, layer.K, layer.P, layer.Q), np.int32)
    busy = (tensors.activations != 0).reshape(tensors.images, layer.groups, -1, layer.H * layer.W)
    if layer.is_depthwise:
        taps = weights[:, 0].astype(np.int32)
        for image, pixels in enumerate(tensors.activations):
            accumulate_depthwise(pixels, taps, shape, psums[image])
        columns = np.repeat(busy[:, :, 0], layer.K // layer.groups, axis=1)
        active = columns.transpose(0, 2, 1)
    else:
        taps = np.ascontiguousarray(weights.transpose(1, 2, 3, 0).astype(np.int32))
        for image, pixels in enumerate(tensors.activations):
            total = np.zeros((layer.P, layer.Q, layer.K), np.int32)
            accumulate_dense(pixels, taps, shape, layer.groups, total)
            psums[image] = total.transpose(2, 0, 1)
        columns = busy.swapaxes(1, 2).reshape(tensors.images, layer.C, -1)
        active = busy.any(axis=2).transpose(0, 2, 1)
    code = np.ascontiguousarray(columns.transpose(0, 2, 1)).reshape(1, -1, columns.shape[1])
    code = code * np.uint16(3)
    return Work(
        np.zeros((0, 0, 0), np.int64),
        np.zeros(layer.C, np.int64),
        psums,
        _touched(tensors, np.ascontiguousarray(active.astype(np.uint8))),
        lambda: code,
    )
