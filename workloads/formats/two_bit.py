"""Two-bit format: every coefficient as a two-bit two's complement number, four to a byte.

Codes: 00 = 0, 01 = +1, 11 = -1; 10 never occurs.  The first coefficient (C order) stands in the
lowest bits.  Size: ceil(coefficients / 4) bytes, whatever the density.
"""

import math

import numpy as np

from workloads.errors import WorkloadError
from workloads.formats.checks import check_length, check_payload, check_ternary

SHIFTS = np.array([0, 2, 4, 6], np.uint8)


def encode(coefficients: np.ndarray) -> np.ndarray:
    """Pack ternary coefficients, int8 of any shape, into a uint8 vector.

    Raises
    ------
    WorkloadError
        If the array is not int8 or not ternary.

    Examples
    --------
    >>> encode(np.array([[[1, 0, -1]]], np.int8)).tolist()  # codes 01, 00, 11, lowest first
    [49]
    """
    codes = check_ternary(coefficients).view(np.uint8) & np.uint8(3)
    padded = np.pad(codes, (0, -codes.size % 4)).reshape(-1, 4)
    packed: np.ndarray = np.bitwise_or.reduce(padded << SHIFTS, axis=1).astype(np.uint8)
    return packed


def decode(payload: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The int8 coefficients of ``shape`` that ``encode`` packed.

    Raises
    ------
    WorkloadError
        If the payload is no uint8 vector, its length does not fit the shape, it holds the code
        10, or a padding bit is set.

    Examples
    --------
    >>> decode(np.array([49], np.uint8), (1, 1, 3)).tolist()
    [[[1, 0, -1]]]
    """
    check_payload(payload)
    count = math.prod(shape)
    check_length(payload, -(-count // 4), shape)
    codes = ((payload[:, None] >> SHIFTS) & np.uint8(3)).reshape(-1)
    if (codes == 2).any():
        position = int(np.argmax(codes == 2))
        raise WorkloadError(f"payload holds code 10 at coefficient {position}, which is no value")
    if codes[count:].any():
        raise WorkloadError("payload has a padding bit set, wanted zeros behind the last code")
    flat = np.where(codes[:count] == 3, -1, codes[:count]).astype(np.int8)
    return flat.reshape(shape)
