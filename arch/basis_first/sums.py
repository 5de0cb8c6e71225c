"""Stage 1, section 1: V of every (k, m) at every pixel, as exact matrix products."""

from collections.abc import Iterator

import numpy as np
from numba import prange

from arch.jit import kernel
from workloads.tensors import LayerTensors

FLOAT32_EXACT = 1 << 24  # integers up to here are exact in float32
FACTORS = 1 << 23  # coefficients that are turned into floats at once
PIECES = 16  # parallel parts of a count


def sum_type(tensors: LayerTensors) -> type[np.floating]:
    """The smallest float in which every sum over channels, complete or not, is exact."""
    if tensors.multiplies_per_sum == 0:
        largest = tensors.layer.channels_per_group * 255
    else:
        largest = int(np.abs(tensors.scaled_coefficients()).sum(axis=1).max()) * 255
    return np.float32 if largest < FLOAT32_EXACT else np.float64


@kernel(parallel=True)
def count_coefficients(
    coefficients: np.ndarray, width: int, lengths: np.ndarray, readers: np.ndarray
) -> None:
    """Non-zero coefficients of every sum, and of every input channel.

    coefficients : int8 (K, C/groups, M); width : channels of a channel tile
    lengths : int64 in and out (tiles, K, M)
    readers : int64 in and out (pieces, groups, C/groups), to be summed over pieces
    """
    K, channels, bases = coefficients.shape
    pieces, groups = readers.shape[:2]
    per_group = K // groups
    for piece in prange(pieces):
        for k in range(piece * K // pieces, (piece + 1) * K // pieces):
            mine = readers[piece, k // per_group]
            for c in range(channels):
                row = coefficients[k, c]
                count = lengths[c // width, k]
                for m in range(bases):
                    one = np.int64(row[m] != 0)
                    count[m] += one
                    mine[c] += one


@kernel(parallel=True)
def signs_to_factors(
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
    for k in prange(K):
        for m in range(bases):
            up, down = positive[k, m], negative[k, m]
            row = factors[m, k]
            for c in range(channels):
                sign = coefficients[k, low + c, m]
                row[c] = up if sign > 0 else (-down if sign < 0 else 0 * up)


def _scales(tensors: LayerTensors, dtype: type[np.floating]) -> tuple[np.ndarray, np.ndarray]:
    """Factors of positive and of negative coefficients, (K, M) each."""
    assert tensors.coefficients is not None
    K, _, bases = tensors.coefficients.shape
    if tensors.alpha is not None:
        alpha = tensors.alpha.astype(dtype)
        return alpha, alpha
    positive, negative = tensors.two_sided or (1, 1)
    return np.full((K, bases), positive, dtype), np.full((K, bases), negative, dtype)


def sums(tensors: LayerTensors, tile: tuple[int, int]) -> Iterator[tuple[int, int, np.ndarray]]:
    """V within one channel tile, in parts: (image, first output channel, V).

    V is whole numbers in floats, shape (pixels, M, channels); output channels of one part are
    neighbours that read the same input channels, few enough that their factors fit memory.
    """
    layer, coefficients = tensors.layer, tensors.coefficients
    assert coefficients is not None
    bases, low, high = coefficients.shape[2], *tile
    dtype = sum_type(tensors)
    positive, negative = _scales(tensors, dtype)
    floats = tensors.activations.reshape(tensors.images, layer.C, -1).astype(dtype)
    per_group = layer.K // layer.groups
    step = max(1, min(per_group, FACTORS // ((high - low) * bases)))
    for group in range(layer.groups):
        first = group * layer.channels_per_group + low
        seen = floats[:, first : first + high - low]
        end = (group + 1) * per_group
        for begin in range(group * per_group, end, step):
            chosen = slice(begin, min(begin + step, end))
            count = chosen.stop - begin
            factors = np.empty((bases, count, high - low), dtype)
            signs_to_factors(coefficients[chosen], low, positive[chosen], negative[chosen], factors)
            for image in range(tensors.images):
                values = seen[image].T @ factors.reshape(bases * count, high - low).T
                yield image, begin, values.reshape(-1, bases, count)
