"""Section 5: which taps are legal, and the psums of the MAC rows."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import prange

from arch.jit import kernel
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """Legal taps along one axis of a tile.

    taps : int64 (size,), legal kernel taps of each input position
    last : int64 (outputs,), the last input position that feeds each output, -1 for none
    needed : int64, the input positions that feed at least one output, ascending
    """

    taps: np.ndarray
    last: np.ndarray
    needed: np.ndarray


@lru_cache(maxsize=4096)
def axis(
    size: int, outputs: tuple[int, int], kernel_size: int, stride: int, pad: int, dilation: int
) -> Axis:
    """Legal taps of ``outputs`` (start, stop) along an axis of ``size`` input positions.

    Examples
    --------
    >>> axis(4, (0, 4), 3, 1, 1, 1).taps.tolist()
    [2, 3, 3, 2]
    """
    out = np.arange(*outputs)[:, None]
    position = out * stride - pad + np.arange(kernel_size)[None, :] * dilation
    legal = (position >= 0) & (position < size)
    taps = np.bincount(position[legal], minlength=size)
    found = Axis(taps, np.where(legal, position, -1).max(axis=1), np.flatnonzero(taps))
    for array in (found.taps, found.last, found.needed):
        array.setflags(write=False)
    return found


def tile_axes(layer: ConvLayer, tile: tuple[int, int, int, int]) -> tuple[Axis, Axis]:
    """Row and column axes of the output tile (p start, p stop, q start, q stop)."""
    rows = axis(layer.H, tile[:2], layer.R, layer.stride, layer.padding[0], layer.dilation)
    columns = axis(layer.W, tile[2:], layer.S, layer.stride, layer.padding[2], layer.dilation)
    return rows, columns


@kernel(parallel=True)
def accumulate(
    values: np.ndarray,
    kernels: np.ndarray,
    shape: np.ndarray,
    stride: int,
    top: int,
    left: int,
    dilation: int,
    psums: np.ndarray,
) -> None:
    """Add one pass of one image to the psums of a k-tile.

    values : (H*W, slots), the V of every slot (whole numbers)
    kernels : int32 (R, S, slots), what each slot multiplies its V with
    shape : int64 (2,): H, W; slot i adds to psum i % psums
    psums : int32 in and out (P, Q, psums)
    """
    height, width, streams = shape[0], shape[1], psums.shape[2]
    r_size, s_size, slots = kernels.shape
    slices = slots // streams
    for p in prange(psums.shape[0]):
        for q in range(psums.shape[1]):
            total = psums[p, q]
            for r in range(r_size):
                y = p * stride - top + r * dilation
                if y < 0 or y >= height:
                    continue
                for s in range(s_size):
                    x = q * stride - left + s * dilation
                    if x < 0 or x >= width:
                        continue
                    value = values[y * width + x]
                    weight = kernels[r, s]
                    for piece in range(slices):
                        base = piece * streams
                        for stream in range(streams):
                            total[stream] += np.int32(value[base + stream]) * weight[base + stream]


@kernel(parallel=True)
def touched(
    active: np.ndarray,
    shape: np.ndarray,
    stride: int,
    top: int,
    left: int,
    dilation: int,
    taps: np.ndarray,
    box: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Psums of a tile that at least one non-zero V reaches, per output row.

    active : uint8 (H*W, psums), 1 where a V of that psum is not zero
    shape : int64 (2,): H, W; taps : int64 (2,): R, S; box : int64 (4,): p0, p1, q0, q1
    counts : int64 out (P,)
    """
    height, width, streams = shape[0], shape[1], active.shape[1]
    for p in prange(box[0], box[1]):
        reached = np.zeros(streams, np.uint8)
        total = np.int64(0)
        for q in range(box[2], box[3]):
            reached[:] = 0
            for r in range(taps[0]):
                y = p * stride - top + r * dilation
                if y < 0 or y >= height:
                    continue
                for s in range(taps[1]):
                    x = q * stride - left + s * dilation
                    if x < 0 or x >= width:
                        continue
                    for stream in range(streams):
                        reached[stream] |= active[y * width + x, stream]
            for stream in range(streams):
                total += reached[stream]
        counts[p] = total
