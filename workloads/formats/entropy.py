"""Entropy coding: a range coder for the mask, with one probability for each basis kernel.

For each basis kernel the number of its non-zeros, in groups of seven bits; then the mask, kernel by
kernel in C order of (K, C/groups), as the range coder of ``constriction`` writes it (32-bit words,
little endian); then one sign bit per non-zero (1 = negative), zero bits up to a whole byte.  The
probability of a kernel's mask bits is non-zeros / coefficients, made from the stored integers by
one float64 division on either side; kernels that are all zero or all non-zero are not coded.
"""

import math

import constriction
import numpy as np

from workloads.errors import WorkloadError
from workloads.formats.bits import (
    WORD,
    pack_bits,
    pack_number,
    pack_words,
    unpack_bits,
    unpack_number,
    unpack_words,
)
from workloads.formats.checks import check_payload, check_ternary

_queue, _model = constriction.stream.queue, constriction.stream.model


def encode(coefficients: np.ndarray) -> np.ndarray:
    """Pack ternary coefficients, int8 of three dimensions, into a uint8 vector.

    Raises
    ------
    WorkloadError
        If the array is not int8 or not ternary.

    Examples
    --------
    >>> encode(np.zeros((64, 64, 6), np.int8)).size
    6
    """
    check_ternary(coefficients)
    planes = np.ascontiguousarray(coefficients.transpose(2, 0, 1))
    planes = planes.reshape(planes.shape[0], -1)
    masks = planes != 0
    counts = masks.sum(axis=1).tolist()
    head = [pack_number(count) for count in counts]
    words = pack_words(_encode_masks(masks, counts))
    return np.concatenate([*head, words, pack_bits(planes[masks] < 0)])


def decode(payload: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The int8 coefficients of ``shape`` that ``encode`` packed.

    Raises
    ------
    WorkloadError
        If the payload is no uint8 vector, its counts or its length do not fit the shape, a mask
        does not hold as many non-zeros as were counted, or a padding bit is set.

    Examples
    --------
    >>> decode(np.zeros(6, np.uint8), (64, 64, 6)).any()
    np.False_
    """
    check_payload(payload)
    K, channels, M = shape
    size, place, counts = K * channels, 0, []
    for _ in range(M):
        count, place = unpack_number(payload, place)
        counts.append(count)
    if max(counts, default=0) > size:
        raise WorkloadError(f"payload counts {max(counts)} non-zeros, a kernel has {size}")
    signs_at = payload.size - -(-sum(counts) // 8)
    if signs_at < place or (signs_at - place) % WORD.itemsize:
        raise WorkloadError(
            f"payload holds {payload.size} bytes, which is no length for its "
            f"{sum(counts)} non-zeros of coefficients of shape {shape}"
        )
    masks = _decode_masks(payload[place:signs_at], counts, size)
    signs = unpack_bits(payload[signs_at:], sum(counts))
    planes = np.zeros((M, size), np.int8)
    planes[masks] = 1 - 2 * signs.astype(np.int8)
    return np.ascontiguousarray(planes.reshape(M, K, channels).transpose(1, 2, 0))


def _bernoulli(count: int, size: int) -> object:
    return _model.Bernoulli(count / size, perfect=False)


def _encode_masks(masks: np.ndarray, counts: list[int]) -> np.ndarray:
    encoder = _queue.RangeEncoder()
    for mask, count in zip(masks, counts, strict=True):
        if 0 < count < mask.size:
            encoder.encode(mask.astype(np.int32), _bernoulli(count, mask.size))
    words: np.ndarray = encoder.get_compressed()
    return words


def _decode_masks(payload: np.ndarray, counts: list[int], size: int) -> np.ndarray:
    words = unpack_words(payload)
    decoder = _queue.RangeDecoder(words)
    masks = np.zeros((len(counts), size), bool)
    for number, count in enumerate(counts):
        if count in (0, size):
            masks[number] = count == size
            continue
        try:
            masks[number] = decoder.decode(_bernoulli(count, size), size)
        except AssertionError as error:
            raise WorkloadError(f"payload is no entropy code of basis kernel {number}") from error
        if int(masks[number].sum()) != count:
            raise WorkloadError(
                f"payload has {int(masks[number].sum())} non-zeros in basis kernel {number}, "
                f"it says {count}"
            )
    # The decoder looks a word ahead, so it does not know whether the last word is needed.
    if not decoder.maybe_exhausted() or words.size != _encode_masks(masks, counts).size:
        raise WorkloadError("payload holds more than its masks need")
    return masks


def size_bits(coefficients: np.ndarray) -> float:
    """A lower bound: the empirical entropy of mask and signs, kernel by kernel, in bits.

    Examples
    --------
    >>> size_bits(np.array([[[1], [0]]], np.int8))
    3.0
    """
    total = 0.0
    for plane in coefficients.transpose(2, 0, 1):
        share = np.count_nonzero(plane) / plane.size
        if 0 < share < 1:
            rate = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
            total += plane.size * rate
        total += np.count_nonzero(plane)
    return float(total)
