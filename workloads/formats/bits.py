"""Bits, and numbers of several bytes, inside payloads."""

import numpy as np

from workloads.errors import WorkloadError

WORD = np.dtype("<u4")  # of the range coder


def pack_bits(*parts: np.ndarray) -> np.ndarray:
    """Pack vectors of bits, one after the other, into bytes, bit 0 first.

    Examples
    --------
    >>> pack_bits(np.array([True, False]), np.array([True])).tolist()
    [5]
    """
    return np.packbits(np.concatenate(parts).astype(bool), bitorder="little")


def unpack_bits(payload: np.ndarray, count: int) -> np.ndarray:
    """The first ``count`` bits as booleans; the rest of a payload's last byte must be zeros.

    Raises
    ------
    WorkloadError
        If there are not ceil(count / 8) bytes, or a bit behind the last is set.

    Examples
    --------
    >>> unpack_bits(np.array([5], np.uint8), 3).tolist()
    [True, False, True]
    """
    wanted = -(-count // 8)
    if payload.size != wanted:
        raise WorkloadError(f"payload has {payload.size} bytes left for {count} bits")
    bits = np.unpackbits(payload, bitorder="little").astype(bool)
    if bits[count:].any():
        raise WorkloadError("payload has a padding bit set, wanted zeros behind the last bit")
    return bits[:count]


def pack_words(words: np.ndarray) -> np.ndarray:
    """32-bit words as bytes, little endian.

    Examples
    --------
    >>> pack_words(np.array([258], np.uint32)).tolist()
    [2, 1, 0, 0]
    """
    return words.astype(WORD).view(np.uint8)


def unpack_words(payload: np.ndarray) -> np.ndarray:
    """The inverse of ``pack_words``, uint32.

    Examples
    --------
    >>> unpack_words(np.array([2, 1, 0, 0], np.uint8)).tolist()
    [258]
    """
    return np.frombuffer(payload.tobytes(), WORD).astype(np.uint32)


def pack_number(number: int) -> np.ndarray:
    """A whole number >= 0 in groups of seven bits, lowest first; bit 7 is set if more follow.

    Examples
    --------
    >>> pack_number(300).tolist()
    [172, 2]
    """
    groups = []
    while True:
        number, low = number >> 7, number & 127
        groups.append(low | (128 if number else 0))
        if not number:
            return np.array(groups, np.uint8)


def unpack_number(payload: np.ndarray, place: int) -> tuple[int, int]:
    """The number that begins at ``place``, and the place after it.

    Raises
    ------
    WorkloadError
        If the payload ends inside it, or it has more than 63 bits.

    Examples
    --------
    >>> unpack_number(np.array([172, 2], np.uint8), 0)
    (300, 2)
    """
    number = 0
    for shift in range(0, 63, 7):
        if place >= payload.size:
            raise WorkloadError(f"payload ends inside a number, at byte {payload.size}")
        group = int(payload[place])
        place += 1
        number |= (group & 127) << shift
        if group < 128:
            return number, place
    raise WorkloadError(f"payload holds a number of more than 63 bits, before byte {place}")
