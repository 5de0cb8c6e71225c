"""Which taps are legal, and the psums of the MAC rows.

Rules: specification/basis_first_time.md, BF-24 and BF-25.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from arch.jit import parallel_kernel, turns
from arch.threads import Share
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
    (down, across), (skip, over), (top, _, left, _) = layer.strides, layer.dilations, layer.padding
    rows = axis(layer.H, tile[:2], layer.R, down, top, skip)
    columns = axis(layer.W, tile[2:], layer.S, across, left, over)
    return rows, columns


def geometry(layer: ConvLayer) -> np.ndarray:
    """What the kernels need to find the input of an output.

    int64 (8,): H, W, strides down and across, padding at the top and at the left, dilations.
    """
    edges = layer.padding[0], layer.padding[2]
    return np.array([layer.H, layer.W, *layer.strides, *edges, *layer.dilations], np.int64)


@parallel_kernel
def accumulate_basis(
    share: Share,
    values: np.ndarray,
    basis: np.ndarray,
    shape: np.ndarray,
    first: int,
    psums: np.ndarray,
) -> None:
    """Add the V of some output channels of one image, convolved with the basis, to their psums.

    values : floats (H*W, M, channels), whole numbers; basis : int32 (M, R, S)
    shape : as ``geometry`` gives it; first : the first of the output channels
    psums : int32 in and out (P, Q, K)
    """
    height, width, down, across, top, left, skip, over = shape
    bases, r_size, s_size = basis.shape
    columns, count = psums.shape[1], values.shape[2]
    for output in turns(share, psums.shape[0] * columns):
        p, q = output // columns, output % columns
        total = psums[p, q, first : first + count]
        for r in range(r_size):
            y = p * down - top + r * skip
            if y < 0 or y >= height:
                continue
            for s in range(s_size):
                x = q * across - left + s * over
                if x < 0 or x >= width:
                    continue
                for m in range(bases):
                    row, weight = values[y * width + x, m], basis[m, r, s]
                    if weight != 0:
                        for k in range(count):
                            total[k] += np.int32(row[k]) * weight


@parallel_kernel
def accumulate_dense(
    share: Share,
    pixels: np.ndarray,
    weights: np.ndarray,
    shape: np.ndarray,
    groups: int,
    psums: np.ndarray,
) -> None:
    """Psums of one image in bypass, several input channels per output channel.

    pixels : integers (C, H, W); weights : int32 (C/groups, R, S, K)
    psums : int32 in and out (P, Q, K)
    """
    height, width, down, across, top, left, skip, over = shape
    channels, r_size, s_size, K = weights.shape
    columns, per_group = psums.shape[1], K // groups
    for output in turns(share, psums.shape[0] * columns):
        p, q = output // columns, output % columns
        for r in range(r_size):
            y = p * down - top + r * skip
            if y < 0 or y >= height:
                continue
            for s in range(s_size):
                x = q * across - left + s * over
                if x < 0 or x >= width:
                    continue
                for group in range(groups):
                    total = psums[p, q, group * per_group : (group + 1) * per_group]
                    for c in range(channels):
                        value = np.int32(pixels[group * channels + c, y, x])
                        if value != 0:
                            row = weights[c, r, s, group * per_group : (group + 1) * per_group]
                            for k in range(per_group):
                                total[k] += value * row[k]


@parallel_kernel
def accumulate_depthwise(
    share: Share, pixels: np.ndarray, weights: np.ndarray, shape: np.ndarray, psums: np.ndarray
) -> None:
    """Psums of one image in bypass, one input channel per output channel.

    pixels : integers (C, H, W); weights : int32 (K, R, S); psums : int32 in and out (K, P, Q)
    """
    height, width, down, across, top, left, skip, over = shape
    K, r_size, s_size = weights.shape
    per_channel = K // pixels.shape[0]
    rows, columns = psums.shape[1:]
    for k in turns(share, K):
        plane = pixels[k // per_channel]
        for s in range(s_size):
            # the outputs q whose column x = q * across + shift exists
            shift = s * over - left
            low = max(0, (across - 1 - shift) // across)
            high = min(columns, (width - 1 - shift) // across + 1)
            for r in range(r_size):
                weight = weights[k, r, s]
                for p in range(rows):
                    y = p * down - top + r * skip
                    if 0 <= y < height:
                        total, row = psums[k, p], plane[y]
                        for q in range(low, high):
                            total[q] += np.int32(row[q * across + shift]) * weight


@parallel_kernel
def reached(
    share: Share, active: np.ndarray, shape: np.ndarray, taps: tuple[int, int], counts: np.ndarray
) -> None:
    """Psums of one image that at least one non-zero V reaches, per output pixel.

    active : uint8 (H*W, streams), 1 where a V of that stream is not zero; taps : R, S
    counts : int64 out (P, Q)
    """
    height, width, down, across, top, left, skip, over = shape
    columns, streams = counts.shape[1], active.shape[1]
    for output in turns(share, counts.shape[0] * columns):
        p, q = output // columns, output % columns
        found = np.zeros(streams, np.uint8)
        for r in range(taps[0]):
            y = p * down - top + r * skip
            if y < 0 or y >= height:
                continue
            for s in range(taps[1]):
                x = q * across - left + s * over
                if 0 <= x < width:
                    row = active[y * width + x]
                    for stream in range(streams):
                        found[stream] |= row[stream]
        total = np.int64(0)
        for stream in range(streams):
            total += found[stream]
        counts[p, q] = total
