"""Two-level bitmap: one bit per block of coefficients, and a bitmap of each block with a non-zero.

The first byte is the block length's logarithm (3..8 for 8 to 256 coefficients, the one that gives
the fewest bits).  Then, as one row of bits: a bit per block (1 = not all zero), the mask of each
such block, the signs of the non-zeros (1 = negative), zero bits up to a whole byte.  Blocks are cut
from the tensor in C order of (M, K, C/groups), so that a basis kernel's coefficients lie together;
the last may reach over its end.
"""

import math

import numpy as np

from workloads.errors import WorkloadError
from workloads.formats.bits import pack_bits
from workloads.formats.checks import check_length, check_payload, check_ternary
from workloads.formats.order import by_kernel, from_kernels

SMALLEST, LARGEST = 3, 8


def encode(coefficients: np.ndarray) -> np.ndarray:
    """Pack ternary coefficients, int8 of three dimensions, into a uint8 vector.

    Raises
    ------
    WorkloadError
        If the array is not int8 or not ternary.

    Examples
    --------
    >>> encode(np.array([[[0], [1], [0], [-1]]], np.int8)).tolist()  # one block, 01010000, 01
    [3, 21, 4]
    """
    check_ternary(coefficients)
    flat = by_kernel(coefficients)
    mask: np.ndarray = flat != 0
    costs = {each: _mask_bits(mask, 1 << each) for each in range(SMALLEST, LARGEST + 1)}
    exponent = min(costs, key=costs.__getitem__)
    blocks = _blocks(mask, 1 << exponent)
    used = blocks.any(axis=1)
    bits = pack_bits(np.asarray(used), blocks[used].ravel(), flat[mask] < 0)
    return np.concatenate([np.array([exponent], np.uint8), bits])


def decode(payload: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The int8 coefficients of ``shape`` that ``encode`` packed.

    Raises
    ------
    WorkloadError
        If the payload is no uint8 vector, its block length is out of range, its length does not
        fit the shape and the masks, a block said to hold coefficients is empty, or a padding bit
        is set.

    Examples
    --------
    >>> decode(np.array([3, 21, 4], np.uint8), (1, 4, 1)).ravel().tolist()
    [0, 1, 0, -1]
    """
    check_payload(payload)
    if payload.size == 0 or not SMALLEST <= payload[0] <= LARGEST:
        found = f"2^{payload[0]}" if payload.size else "no"
        raise WorkloadError(
            f"payload has blocks of {found} coefficients, wanted 2^{SMALLEST}..2^{LARGEST}"
        )
    size, count = 1 << int(payload[0]), math.prod(shape)
    number = -(-count // size)
    bits = np.unpackbits(payload[1:], bitorder="little").astype(bool)
    used = bits[:number]
    after = number + int(used.sum()) * size
    if bits.size < after:
        check_length(payload, 1 - (-after // 8), shape)
    blocks = np.zeros((number, size), bool)
    blocks[used] = bits[number:after].reshape(-1, size)
    if not blocks[used].any(axis=1).all():
        raise WorkloadError("payload marks a block as used that holds no coefficient")
    mask = blocks.ravel()
    if mask[count:].any():
        raise WorkloadError("payload has a padding bit set, wanted zeros behind the last block")
    end = after + int(mask.sum())
    check_length(payload, 1 - (-end // 8), shape)
    if bits[end:].any():
        raise WorkloadError("payload has a padding bit set, wanted zeros behind the last sign")
    flat = np.zeros(count, np.int8)
    flat[mask[:count]] = 1 - 2 * bits[after:end].astype(np.int8)
    return from_kernels(flat, shape)


def _blocks(mask: np.ndarray, size: int) -> np.ndarray:
    return np.pad(mask, (0, -mask.size % size)).reshape(-1, size)


def _mask_bits(mask: np.ndarray, size: int) -> int:
    used = _blocks(mask, size).any(axis=1)
    return int(used.size + size * np.count_nonzero(used))
