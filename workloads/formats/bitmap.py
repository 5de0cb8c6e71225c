"""Bitmap format: one bit per coefficient, then one sign bit per non-zero coefficient.

Bits run in C order of (K, C/groups, M), bit 0 of each byte first: first the mask (1 = non-zero),
directly behind it the signs of the non-zeros (1 = negative), then zero bits up to a whole byte.
Size: ceil((coefficients + non-zeros) / 8) bytes.
"""

import math

import numpy as np

from workloads.errors import WorkloadError
from workloads.formats.checks import check_length, check_payload, check_ternary


def encode(coefficients: np.ndarray) -> np.ndarray:
    """Pack ternary coefficients, int8 of any shape, into a uint8 vector.

    Raises
    ------
    WorkloadError
        If the array is not int8 or not ternary.

    Examples
    --------
    >>> encode(np.array([[[1, 0, -1]]], np.int8)).tolist()  # mask 101, signs 01
    [21]
    """
    flat = check_ternary(coefficients)
    mask = flat != 0
    return np.packbits(np.concatenate([mask, flat[mask] < 0]), bitorder="little")


def decode(payload: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The int8 coefficients of ``shape`` that ``encode`` packed.

    Raises
    ------
    WorkloadError
        If the payload is no uint8 vector, its length does not fit the shape and the mask, or a
        padding bit is set.

    Examples
    --------
    >>> decode(np.array([21], np.uint8), (1, 1, 3)).tolist()
    [[[1, 0, -1]]]
    """
    check_payload(payload)
    count = math.prod(shape)
    if payload.size < -(-count // 8):
        check_length(payload, -(-count // 8), shape)
    bits = np.unpackbits(payload, bitorder="little")
    mask = bits[:count].astype(bool)
    nonzeros = int(mask.sum())
    check_length(payload, -(-(count + nonzeros) // 8), shape)
    if bits[count + nonzeros :].any():
        raise WorkloadError("payload has a padding bit set, wanted zeros behind the last sign")
    flat = np.zeros(count, np.int8)
    flat[mask] = 1 - 2 * bits[count : count + nonzeros].astype(np.int8)
    return flat.reshape(shape)
