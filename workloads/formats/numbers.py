"""Whole numbers of any kind (weights, basis kernels, multipliers, biases) in the fewest bytes.

Five forms, of which the smallest is taken.  Packed: a byte with the width (0..32), a byte with a
shift, then the numbers divided by 2^shift in two's complement of that width, bit 0 first; zeros up
to a whole byte.  Entropy coded: the byte 255, then in groups of seven bits the negated smallest
number, the number of symbols, how often each occurs, and the number of words; then the words of
the range coder (32 bits, little endian).  Probabilities are made from those counts by one float64
division on either side.  Sparse, for numbers of which many are 0 (pruned weights): the byte 254, in
groups of seven bits the bytes of the signs, the signs in the format ``entropy``, and the magnitudes
of the non-zeros less 65 as packed or entropy coded numbers; 65 lets those of 8-bit weights pack in
seven bits.  One table for both signs makes it smaller than the entropy code of the whole.  Listed,
for numbers that take few of the values between their extremes: the byte 253, in groups of seven
bits how many these are, the values, rising, packed or entropy coded, and the numbers' places among
them likewise.  In blocks, for numbers of which whole blocks are 0 (structured pruning, see
``workloads.formats.blocks``): the byte 252, in groups of seven bits twice the length of a line,
odd where lines are columns, and the size of a block; for each block -1 or, if it is all 0, 0,
packed or entropy coded; then the numbers of the blocks that hold any, in one of the other forms.
"""

import constriction
import numpy as np

from workloads.errors import WorkloadError
from workloads.formats import entropy
from workloads.formats.bits import (
    WORD,
    pack_bits,
    pack_number,
    pack_words,
    unpack_bits,
    unpack_number,
    unpack_words,
)
from workloads.formats.blocks import Cut, best_cut

_queue, _model = constriction.stream.queue, constriction.stream.model
CODED, SPARSE, LISTED, BLOCKS = 255, 254, 253, 252
MIDDLE = 65  # what is taken off the magnitudes of sparse numbers
WIDEST = 32
MOST_SYMBOLS = 1 << 16
LEAST_VALUES = 256  # below this a table of counts never pays


def encode(values: np.ndarray) -> np.ndarray:
    """Integers of 32 bits, any shape in C order, to a uint8 vector.

    Raises
    ------
    WorkloadError
        If a value has more than 32 bits.

    Examples
    --------
    >>> encode(np.array([4, -8])).tolist()  # width 2, shift 2, codes 01 and 10
    [2, 2, 9]
    """
    flat = np.ascontiguousarray(values).reshape(-1).astype(np.int64)
    whole = _encode_flat(flat)
    if flat.size < LEAST_VALUES or flat.all():
        return whole
    cut, _ = best_cut(values)
    return whole if cut is None else min(whole, _in_blocks(flat, cut), key=len)


def _encode_flat(flat: np.ndarray) -> np.ndarray:
    """In the smallest of the forms that know no blocks."""
    forms = [_plain(flat)]
    if flat.size >= LEAST_VALUES and not flat.all():
        forms.append(_thin(flat))
    if flat.size >= LEAST_VALUES:
        values, places = np.unique(flat, return_inverse=True)
        if 2 * values.size <= np.ptp(flat):
            forms.append(_listed(values, places))
    return min(forms, key=len)  # the first of equals


def decode(payload: np.ndarray, place: int, count: int) -> tuple[np.ndarray, int]:
    """The ``count`` integers that begin at byte ``place``, int64, and the place after them.

    Raises
    ------
    WorkloadError
        If the payload ends inside them or is not what ``encode`` makes.

    Examples
    --------
    >>> values, place = decode(np.array([2, 2, 9], np.uint8), 0, 2)
    >>> values.tolist(), place
    ([4, -8], 3)
    """
    if place >= payload.size:
        raise WorkloadError(f"payload ends at byte {payload.size}, {count} numbers were to come")
    if payload[place] == BLOCKS:
        return _decode_blocks(payload, place + 1, count)
    return _decode_flat(payload, place, count)


def _decode_flat(payload: np.ndarray, place: int, count: int) -> tuple[np.ndarray, int]:
    if place < payload.size and payload[place] == SPARSE:
        return _decode_sparse(payload, place + 1, count)
    if place < payload.size and payload[place] == LISTED:
        return _decode_listed(payload, place + 1, count)
    return _decode_plain(payload, place, count)


def _plain(flat: np.ndarray) -> np.ndarray:
    """Packed or entropy coded."""
    packed = _pack(flat)
    if flat.size >= LEAST_VALUES and np.ptp(flat) < MOST_SYMBOLS:
        return min(packed, _code(flat), key=len)
    return packed


def _decode_plain(payload: np.ndarray, place: int, count: int) -> tuple[np.ndarray, int]:
    if place < payload.size and payload[place] == CODED:
        return _decode_coded(payload, place + 1, count)
    return _unpack(payload, place, count)


def _thin(flat: np.ndarray) -> np.ndarray:
    signs = entropy.encode(np.sign(flat).astype(np.int8).reshape(1, -1, 1))
    magnitudes = _plain(np.abs(flat[flat != 0]) - MIDDLE)
    return np.concatenate(
        [np.array([SPARSE], np.uint8), pack_number(signs.size), signs, magnitudes]
    )


def _decode_sparse(payload: np.ndarray, place: int, count: int) -> tuple[np.ndarray, int]:
    size, place = unpack_number(payload, place)
    if size > payload.size - place:
        raise WorkloadError(f"payload has {payload.size - place} bytes left for {size} of signs")
    signs = entropy.decode(payload[place : place + size], (1, count, 1)).ravel()
    magnitudes, place = _decode_plain(payload, place + size, int(np.count_nonzero(signs)))
    if magnitudes.size and magnitudes.min() + MIDDLE < 1:
        raise WorkloadError(f"payload has a non-zero of magnitude {magnitudes.min() + MIDDLE}")
    values = signs.astype(np.int64)
    values[values != 0] *= magnitudes + MIDDLE
    return values, place


def _listed(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    head = np.array([LISTED], np.uint8)
    return np.concatenate([head, pack_number(values.size), _plain(values), _plain(places)])


def _decode_listed(payload: np.ndarray, place: int, count: int) -> tuple[np.ndarray, int]:
    size, place = unpack_number(payload, place)
    if not 1 <= size <= count:
        raise WorkloadError(f"payload lists {size} values of {count} numbers")
    values, place = _decode_plain(payload, place, size)
    places, place = _decode_plain(payload, place, count)
    if places.size and not 0 <= places.min() <= places.max() < size:
        raise WorkloadError(
            f"payload has places {places.min()}..{places.max()} in a list of {size} values"
        )
    found: np.ndarray = values[places]
    return found, place


def _in_blocks(flat: np.ndarray, cut: Cut) -> np.ndarray:
    alive = cut.alive(flat)
    numbers = cut.lines(flat)[cut.inside(alive)]
    head = [np.array([BLOCKS], np.uint8), pack_number(2 * cut.length + cut.across)]
    mask = _plain(-alive.ravel().astype(np.int64))
    return np.concatenate([*head, pack_number(cut.size), mask, _encode_flat(numbers)])


def _decode_blocks(payload: np.ndarray, place: int, count: int) -> tuple[np.ndarray, int]:
    length, place = unpack_number(payload, place)
    size, place = unpack_number(payload, place)
    cut = Cut(length >> 1, size, across=bool(length & 1))
    if not 1 <= cut.length <= count or count % cut.length or not 1 <= size <= cut.length:
        raise WorkloadError(
            f"payload has lines of {cut.length} numbers in blocks of {size}, {count} in all"
        )
    lines, blocks = count // cut.length, -(-cut.length // size)
    mask, place = _decode_plain(payload, place, lines * blocks)
    if not ((mask == 0) | (mask == -1)).all():
        raise WorkloadError(f"payload says {mask.min()} of a block, wanted 0 or -1")
    alive = mask.astype(bool).reshape(lines, blocks)
    numbers, place = _decode_flat(payload, place, int(cut.inside(alive).sum()))
    return cut.scatter(numbers, alive), place


def _pack(flat: np.ndarray) -> np.ndarray:
    common = int(np.bitwise_or.reduce(flat)) if flat.size else 0
    shift = (common & -common).bit_length() - 1 if common else 0
    reduced = flat >> shift
    low, high = (int(reduced.min()), int(reduced.max())) if flat.size else (0, 0)
    width = max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1 if common else 0
    if width + shift > WIDEST:
        raise WorkloadError(f"numbers of {width + shift} bits, wanted at most {WIDEST}")
    bits = (reduced[:, None] >> np.arange(width)) & 1
    body = pack_bits(bits.ravel())
    return np.concatenate([np.array([width, shift], np.uint8), body])


def _unpack(payload: np.ndarray, place: int, count: int) -> tuple[np.ndarray, int]:
    if payload.size < place + 2:
        raise WorkloadError(f"payload ends at byte {payload.size}, inside a number's width")
    width, shift = int(payload[place]), int(payload[place + 1])
    if width + shift > WIDEST:
        raise WorkloadError(f"payload has numbers of {width + shift} bits, wanted at most {WIDEST}")
    start = place + 2
    stop = start + -(-count * width // 8)
    bits = unpack_bits(payload[start:stop], count * width).reshape(count, width)
    powers = np.int64(1) << np.arange(width, dtype=np.int64)
    if width:
        powers[-1] = -powers[-1]
    values: np.ndarray = bits @ powers if width else np.zeros(count, np.int64)
    return values << shift, stop


def _code(flat: np.ndarray) -> np.ndarray:
    low = min(0, int(flat.min()))
    symbols = (flat - low).astype(np.int32)
    counts = np.bincount(symbols)
    encoder = _queue.RangeEncoder()
    if np.count_nonzero(counts) > 1:
        encoder.encode(symbols, _table(counts))
    words = encoder.get_compressed()
    numbers = [-low, counts.size, *counts.tolist(), words.size]
    head = np.concatenate([pack_number(number) for number in numbers])
    return np.concatenate([np.array([CODED], np.uint8), head, pack_words(words)])


def _table(counts: np.ndarray) -> object:
    return _model.Categorical(counts / counts.sum(), perfect=False)


def _decode_coded(payload: np.ndarray, place: int, count: int) -> tuple[np.ndarray, int]:
    negated, place = unpack_number(payload, place)
    size, place = unpack_number(payload, place)
    if not 1 <= size <= MOST_SYMBOLS or negated >= 1 << WIDEST:
        raise WorkloadError(f"payload has a table of {size} symbols, wanted 1..{MOST_SYMBOLS}")
    counts = np.zeros(size, np.int64)
    for symbol in range(size):
        counts[symbol], place = unpack_number(payload, place)
    number, place = unpack_number(payload, place)
    stop = place + number * WORD.itemsize
    if stop > payload.size or counts.sum() != count:
        raise WorkloadError(
            f"payload counts {counts.sum()} numbers in {number} words, wanted {count} "
            f"in the {payload.size - place} bytes left"
        )
    if np.count_nonzero(counts) == 1:
        return np.full(count, int(np.argmax(counts)) - negated), stop
    decoder = _queue.RangeDecoder(unpack_words(payload[place:stop]))
    try:
        symbols = decoder.decode(_table(counts), count)
    except AssertionError as error:
        raise WorkloadError("payload is no entropy code of its numbers") from error
    if not np.array_equal(np.bincount(symbols, minlength=size), counts):
        raise WorkloadError("payload has numbers that are not those it counts")
    return symbols.astype(np.int64) - negated, stop
