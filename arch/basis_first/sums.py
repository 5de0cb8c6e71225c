"""Stage 1: V of every (k, m) at every pixel, as exact matrix products.

Rules: specification/basis_first.md, BF-1 and BF-3.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arch.blas import products
from arch.jit import parallel_kernel, turns
from arch.threads import Share, thread_count
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

FLOAT32_EXACT = 1 << 24  # integers up to here are exact in float32
FACTORS = 1 << 20  # coefficients that are turned into floats at once
PIECES = 16  # parallel parts of a count


def sum_type(tensors: LayerTensors) -> type[np.floating]:
    """The smallest float in which every sum over channels, complete or not, is exact."""
    if tensors.multiplies_per_sum == 0:
        largest = tensors.layer.channels_per_group * 255
    else:
        largest = int(np.abs(tensors.scaled_coefficients()).sum(axis=1).max()) * 255
    return np.float32 if largest < FLOAT32_EXACT else np.float64


@parallel_kernel
def count_coefficients(
    share: Share, coefficients: np.ndarray, width: int, lengths: np.ndarray, readers: np.ndarray
) -> None:
    """Non-zero coefficients of every sum, and of every input channel.

    coefficients : int8 (K, C/groups, M); width : channels of a channel tile
    lengths : int64 in and out (tiles, K, M)
    readers : int32 in and out (pieces, groups, C/groups), to be summed over pieces
    """
    K, channels, bases = coefficients.shape
    pieces, groups = readers.shape[:2]
    per_group = K // groups
    for piece in turns(share, pieces):
        for k in range(piece * K // pieces, (piece + 1) * K // pieces):
            mine, signs = readers[piece, k // per_group], coefficients[k].reshape(-1)
            for tile in range(lengths.shape[0]):
                low, high = tile * width, min((tile + 1) * width, channels)
                if bases == 1:
                    count = np.int32(0)
                    for c in range(low, high):
                        one = np.int32(signs[c] != 0)
                        count += one
                        mine[c] += one
                    lengths[tile, k, 0] = count
                    continue
                for c in range(low, high):
                    for m in range(bases):
                        one = np.int32(signs[c * bases + m] != 0)
                        lengths[tile, k, m] += one
                        mine[c] += one


@parallel_kernel
def signs_to_factors(
    share: Share,
    coefficients: np.ndarray,
    low: int,
    positive: np.ndarray,
    negative: np.ndarray,
    factors: np.ndarray,
) -> None:
    """What each activation counts in V: floats (M, K, C_t), sum by sum.

    coefficients : int8 (K, C/groups, M); the channel tile begins at ``low``
    positive, negative : floats (K, M), by what +1 and -1 are multiplied
    """
    bases, K, channels = factors.shape
    for k in turns(share, K):
        for m in range(bases):
            up, down = positive[k, m], negative[k, m]
            row, signs = factors[m, k], coefficients[k].reshape(-1)
            zero = up - up
            if bases == 1:  # contiguous, which the compiler turns into vectors
                for c in range(channels):
                    sign = signs[low + c]
                    row[c] = up if sign > 0 else (-down if sign < 0 else zero)
                continue
            for c in range(channels):
                sign = signs[(low + c) * bases + m]
                row[c] = up if sign > 0 else (-down if sign < 0 else zero)


def _scales(tensors: LayerTensors, dtype: type[np.floating]) -> tuple[np.ndarray, np.ndarray]:
    """Factors of positive and of negative coefficients, (K, M) each."""
    assert tensors.coefficients is not None
    K, _, bases = tensors.coefficients.shape
    if tensors.alpha is not None:
        alpha = tensors.alpha.astype(dtype)
        return alpha, alpha
    positive, negative = tensors.two_sided or (1, 1)
    return np.full((K, bases), positive, dtype), np.full((K, bases), negative, dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """V of some neighbouring output channels of one image, within one channel tile.

    first : the first of the output channels
    values : whole numbers in floats, shape (pixels, M, channels)
    """

    image: int
    first: int
    values: np.ndarray


def sums(tensors: LayerTensors, tile: tuple[int, int]) -> Iterator[Sums]:
    """V of all (k, m) and images within one channel tile; for use within ``one_thread``."""
    layer, dtype, coefficients = tensors.layer, sum_type(tensors), tensors.coefficients
    assert coefficients is not None
    floats = tensors.activations.reshape(tensors.images, layer.C, -1).astype(dtype)
    bases, low, high = coefficients.shape[2], *tile
    area, inner = floats.shape[2], high - low
    up, down = _scales(tensors, dtype)
    for pieces in _pieces(layer, bases * inner):
        factors = np.empty((len(pieces) * len(pieces[0]) * bases, inner), dtype)
        edges = np.cumsum([0, *(bases * len(k) for k in pieces)])
        for k, at in zip(pieces, edges.tolist(), strict=False):
            mine, part = slice(k.start, k.stop), factors[at : at + bases * len(k)]
            part = part.reshape(bases, len(k), inner)
            signs_to_factors(coefficients[mine], low, up[mine], down[mine], part)
        group = pieces[0].start // (layer.K // layer.groups)
        first = group * layer.channels_per_group + low
        for image in range(tensors.images):
            values = np.empty(area * edges[-1], dtype)
            products(floats[image, first : first + inner], factors, edges, values)
            for k, a, b in zip(pieces, edges[:-1] * area, edges[1:] * area, strict=True):
                yield Sums(image, k.start, values[a:b].reshape(area, bases, len(k)))


def _pieces(layer: ConvLayer, size: int) -> Iterator[list[range]]:
    """Runs of output channels that share their input channels, about one for every thread.

    ``size`` is the number of coefficients of one output channel; those of one list fit memory.
    """
    per_group, threads = layer.K // layer.groups, thread_count()
    step = max(1, min(-(-per_group // threads), FACTORS // size))
    for start in range(0, layer.K, per_group):
        begins = range(start, start + per_group, step)
        runs = [range(begin, min(begin + step, start + per_group)) for begin in begins]
        for at in range(0, len(runs), threads):
            yield runs[at : at + threads]
