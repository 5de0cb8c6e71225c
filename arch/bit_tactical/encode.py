"""What activations cost: cycles of a back end, and bits where they are stored in groups.

A code is a small unsigned integer made of one activation, such that the union (bitwise or) of the
codes of a group, or the largest of them, tells what the group needs.

========== ====================================================================================
precision  bits from the highest to the lowest that any activation of the group needs.  Source
           DNNsim: both ends are trimmed, and a group of zeros takes one cycle.  Assumption:
           signed activations are two's complement, with a sign bit where one of them is negative
bits       effectual terms: signed digits of the non-adjacent form (Booth recoded by powers of
           two) or ones of the absolute value; the slowest lane, one cycle at least.
           Assumption: a lane shifts by any distance; DNNsim's two-stage shifters are left out
========== ====================================================================================

Rule: specification/bit_tactical.md, BIT-5.
"""

from dataclasses import dataclass

import numpy as np

from arch.bit_tactical.spec import BitTacticalSpec

BYTE = 8
SIGN = 7  # bit of a code that says that one of the group is negative


def _lengths(values: np.ndarray) -> np.ndarray:
    """Bits up to the highest one that is set, int64 of the same shape; values below 2^16."""
    length: np.ndarray = np.frexp(values.astype(np.float64))[1].astype(np.int64)
    return length


def _trailing(values: np.ndarray) -> np.ndarray:
    """Zeros below the lowest bit that is set; 0 for a value of 0."""
    wide = values.astype(np.int64)
    zeros: np.ndarray = np.maximum(_lengths(wide & -wide) - 1, 0)
    return zeros


def _signed_codes(values: np.ndarray) -> np.ndarray:
    """uint16: bits above the sign in 0..6, a negative value in 7, the absolute value in 8..15."""
    wide = values.astype(np.int16)
    negative = wide < 0
    above = np.where(negative, ~wide, wide)
    codes: np.ndarray = (above | (negative << SIGN)) + (np.abs(wide).astype(np.int32) << BYTE)
    return codes.astype(np.uint16)


def union_codes(values: np.ndarray) -> np.ndarray:
    """Codes of which the union tells the precision: uint8 as they are, int8 as uint16.

    Examples
    --------
    >>> union_codes(np.array([6, 0], np.uint8)).tolist(), union_codes(np.array([-4], np.int8))
    ([6, 0], array([1155], dtype=uint16))
    """
    return values if values.dtype == np.uint8 else _signed_codes(values)


def widths(codes: np.ndarray, *, trailing: bool) -> np.ndarray:
    """Bits that a group needs, at least 1; int64 of the same shape.

    Parameters
    ----------
    codes : unions of ``union_codes``
    trailing : whether zeros below the lowest bit are left out as well

    Examples
    --------
    >>> widths(np.array([0, 1, 6, 255], np.uint8), trailing=True).tolist()
    [1, 1, 2, 8]
    >>> both = np.bitwise_or.reduce(union_codes(np.array([-4, 8], np.int8)), keepdims=True)
    >>> widths(both, trailing=True).tolist(), widths(both, trailing=False).tolist()
    ([3], [5])
    """
    if codes.dtype == np.uint8:
        high, values = _lengths(codes), codes
    else:
        high = _lengths(codes & 0x7F) + (codes >> SIGN & 1)
        values = codes >> BYTE
    if trailing:
        high = high - _trailing(values)
    wide: np.ndarray = np.maximum(high, 1)
    return wide


def term_codes(values: np.ndarray, terms: str) -> np.ndarray:
    """Effectual terms of every value, uint8 of the same shape.

    Examples
    --------
    >>> term_codes(np.array([0, 7, 255, 5], np.uint8), "booth").tolist()
    [0, 2, 2, 2]
    >>> term_codes(np.array([-7], np.int8), "ones").tolist()
    [3]
    """
    wide = np.arange(1 << BYTE, dtype=np.uint16)
    digits = wide ^ (3 * wide) if terms == "booth" else wide
    counts = np.bitwise_count(digits).astype(np.uint8)
    sizes = np.abs(values.astype(np.int16))
    found: np.ndarray = counts[sizes]
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Codes of a layer's activations for one back end.

    ``codes`` is unsigned, shape of the activations; ``largest`` says how a group's is found;
    ``need`` int64, cycles of a group by what was found.
    """

    codes: np.ndarray
    largest: bool
    need: np.ndarray


def encode(activations: np.ndarray, spec: BitTacticalSpec) -> Encoded:
    """Codes for the back end ``precision`` or ``bits``; uint8 or int8 activations.

    Examples
    --------
    >>> found = encode(np.array([0, 6], np.uint8), BitTacticalSpec())
    >>> found.need[found.codes].tolist(), found.largest
    ([1, 2], False)
    """
    if spec.back_end == "bits":
        need = np.maximum(np.arange(1 << BYTE, dtype=np.int64), 1)
        return Encoded(term_codes(activations, spec.terms), True, need)
    codes = union_codes(activations)
    every = np.arange(1 << 8 * codes.itemsize).astype(codes.dtype)
    return Encoded(codes, False, widths(every, trailing=True))


def group_bits(values: np.ndarray, group: int, spec: BitTacticalSpec) -> np.ndarray:
    """Bits in DRAM of the channels of every pixel, int64 (N, H, W).

    A bit-serial machine stores every ``group`` channels with as many bits as the widest of them
    needs, behind a header that tells how many; leading bits only.  Assumption: that format, after
    the paper's promise to reduce storage.  A bit-parallel machine stores words.

    Parameters
    ----------
    values : uint8, int8 or int16, shape (N, C, H, W)
    group : channels with a header in common, counted from the first

    Examples
    --------
    >>> values = np.array([3, 1, 0], np.uint8).reshape(1, 3, 1, 1)
    >>> group_bits(values, 2, BitTacticalSpec()).tolist()  # 3 + 2 x 2, and 3 + 1 x 1
    [[[11]]]
    """
    images, channels, height, width = values.shape
    if not spec.serial or values.dtype == np.int16:
        return np.full((images, height, width), channels * spec.operand_bits, np.int64)
    header = (spec.operand_bits - 1).bit_length()
    codes = union_codes(values)
    total = np.zeros((images, height, width), np.int64)
    for low in range(0, channels, group):
        part = codes[:, low : low + group]
        wide = widths(np.bitwise_or.reduce(part, axis=1), trailing=False)
        total += header + part.shape[1] * wide
    return total
