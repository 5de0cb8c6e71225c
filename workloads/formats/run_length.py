"""Run-length format: for each non-zero coefficient the number of zeros before it, in 4 or 8 bits.

The first byte is the width of a gap, 4 or 8, whichever takes fewer bytes; then, as a number in
groups of seven bits, how many gaps there are.  Then the gaps, the lower half byte first; the
largest gap (15 or 255) says "so many zeros, and no coefficient behind them".  Then one sign bit per
non-zero (1 = negative), zero bits up to a whole byte.  Zeros behind the last non-zero are not
stored.  The walk is in C order of (M, K, C/groups).
"""

import math

import numpy as np

from workloads.errors import WorkloadError
from workloads.formats.bits import pack_bits, pack_number, unpack_bits, unpack_number
from workloads.formats.checks import check_payload, check_ternary
from workloads.formats.order import by_kernel, from_kernels

WIDTHS = (4, 8)


def encode(coefficients: np.ndarray) -> np.ndarray:
    """Pack ternary coefficients, int8 of three dimensions, into a uint8 vector.

    Raises
    ------
    WorkloadError
        If the array is not int8 or not ternary.

    Examples
    --------
    >>> encode(np.array([[[0], [1], [0], [-1]]], np.int8)).tolist()  # gaps 1 and 1, signs 0 and 1
    [4, 2, 17, 2]
    """
    check_ternary(coefficients)
    flat = by_kernel(coefficients)
    places = np.flatnonzero(flat)
    gaps = np.diff(places, prepend=-1) - 1
    payloads = [_pack(gaps, width) for width in WIDTHS]
    smaller = min(payloads, key=len)
    return np.concatenate([smaller, pack_bits(flat[places] < 0)])


def decode(payload: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The int8 coefficients of ``shape`` that ``encode`` packed.

    Raises
    ------
    WorkloadError
        If the payload is no uint8 vector, its gap width is unknown, its length does not fit its
        gaps, a gap leads out of the tensor, or a padding bit is set.

    Examples
    --------
    >>> decode(np.array([4, 2, 17, 2], np.uint8), (1, 4, 1)).ravel().tolist()
    [0, 1, 0, -1]
    """
    check_payload(payload)
    if payload.size == 0 or payload[0] not in WIDTHS:
        found = payload[0] if payload.size else "no"
        raise WorkloadError(f"payload has gaps of {found} bits, wanted 4 or 8")
    width, count = int(payload[0]), math.prod(shape)
    number, start = unpack_number(payload, 1)
    stop = start + -(-number * width // 8)
    if stop > payload.size:
        raise WorkloadError(
            f"payload holds {payload.size} bytes, {number} gaps of {width} bits take {stop}"
        )
    gaps = _unpack(payload[start:stop], number, width)
    most = (1 << width) - 1
    ends = np.cumsum(gaps + (gaps < most)) - 1
    places = ends[gaps < most]
    if ends.size and ends[-1] >= count:
        raise WorkloadError(f"payload has a gap that leads out of a tensor of shape {shape}")
    signs = unpack_bits(payload[stop:], places.size)
    flat = np.zeros(count, np.int8)
    flat[places] = 1 - 2 * signs.astype(np.int8)
    return from_kernels(flat, shape)


def _pack(gaps: np.ndarray, width: int) -> np.ndarray:
    most = (1 << width) - 1
    skips, rest = np.divmod(gaps, most)
    codes = np.full(int(skips.sum()) + gaps.size, most, np.uint8)
    codes[np.cumsum(skips + 1) - 1] = rest
    head = np.concatenate([np.array([width], np.uint8), pack_number(codes.size)])
    if width == 4:
        pairs = np.pad(codes, (0, codes.size % 2)).reshape(-1, 2)
        codes = pairs[:, 0] | (pairs[:, 1] << np.uint8(4))
    return np.concatenate([head, codes])


def _unpack(codes: np.ndarray, number: int, width: int) -> np.ndarray:
    if width == 4:
        codes = np.stack([codes & np.uint8(15), codes >> np.uint8(4)], axis=1).reshape(-1)
        if codes[number:].any():
            raise WorkloadError("payload has a padding bit set, wanted zeros behind the last gap")
    return codes[:number].astype(np.int64)
