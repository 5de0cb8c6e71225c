"""vbq_stream: chosen code points as bytes, everything that decoding needs counted in.

A point of n bits is a symbol and plain bits behind it: the symbol says n and the first min(n, k) of
its bits, and takes the space that its count in this stream is worth; the other bits of long points
are nearly equally likely, and a table of them would cost more than it saves.  The k with the fewest
bytes is taken, from 0 (a table of lengths alone) to N (one of all points).

The byte k; the counts of all symbols; in groups of seven bits the bytes of the code of symbols, and
that code; then all plain bits.
"""

import numpy as np

from escalate.compressors import counts as tables
from escalate.compressors import plain_bits, symbols
from escalate.compressors.code_points import LIMIT
from escalate.errors import DecompositionError, StreamError
from workloads.formats.bits import pack_number, unpack_number


def encode(points: np.ndarray, longest: int) -> np.ndarray:
    """Numbers of code points, any shape in C order, as a uint8 vector.

    Parameters
    ----------
    points : integers, as in ``vbq.CodePoints``
    longest : N, bits of the finest points there are, 0..15

    Raises
    ------
    DecompositionError
        If a number is no point's, or N is out of range.

    Examples
    --------
    >>> encode(np.zeros(1000, int), 2).tolist()  # k = 0, the table in six bytes, no code
    [0, 4, 1, 5, 0, 232, 1, 0]
    """
    if not 0 <= longest <= LIMIT:
        raise DecompositionError(f"points: longest is {longest} bits, wanted 0..{LIMIT}")
    flat = np.asarray(points, np.int64).ravel()
    most = (2 << longest) - 2
    if flat.size and not 0 <= flat.min() <= flat.max() <= most:
        raise DecompositionError(f"points: {flat.min()}..{flat.max()}, wanted 0..{most}")
    every = np.bincount(flat, minlength=most + 1)
    k = min(range(longest + 1), key=lambda each: _bits(every, Split(longest, each)))
    split = Split(longest, k)
    found = split.symbols[flat]
    counts = np.bincount(found, minlength=split.size)
    code = symbols.encode([(found, counts)])
    tail = plain_bits.pack(split.tails[flat], split.spare[found])
    head = [np.array([k], np.uint8), tables.encode(counts), pack_number(code.size)]
    return np.concatenate([*head, code, tail])


def decode(payload: np.ndarray, place: int, count: int, longest: int) -> tuple[np.ndarray, int]:
    """The ``count`` points that begin at byte ``place``, int32, and the place behind them.

    Raises
    ------
    StreamError, WorkloadError
        If the payload ends inside them or is not what ``encode`` makes.

    Examples
    --------
    >>> decode(encode(np.array([0, 2, 6, 0, 1]), 2), 0, 5, 2)[0].tolist()
    [0, 2, 6, 0, 1]
    """
    if place >= payload.size or payload[place] > longest:
        raise StreamError("points: no table where one should begin")
    k = int(payload[place])
    split = Split(longest, k)
    counts, place = tables.decode(payload, place + 1, split.size)
    size, place = unpack_number(payload, place)
    if counts.sum() != count or size > payload.size - place:
        raise StreamError(
            f"points: {counts.sum()} are counted in {size} bytes, wanted {count} in at most "
            f"{payload.size - place}"
        )
    (found,) = symbols.decode(payload[place : place + size], [(count, counts)])
    if not np.array_equal(np.bincount(found, minlength=split.size), counts):
        raise StreamError("points: are not those that are counted")
    rest, place = plain_bits.unpack(payload, place + size, split.spare[found])
    return (split.first[found] + rest).astype(np.int32), place


class Split:
    """Points of 0..N bits as symbols of their length and first k bits, and the bits behind.

    Parameters
    ----------
    longest : N
    k : 0..N

    Attributes
    ----------
    size : int, how many symbols there are
    symbols, tails : int64, by point: its symbol, its other bits as a number
    lengths, spare, first : int64, by symbol: bits n of its points, how many of them are not in
        it, the lowest of its points

    Examples
    --------
    >>> split = Split(2, 1)  # points of two bits: 3, 4 and 5, 6
    >>> split.symbols.tolist(), split.tails.tolist(), split.first.tolist()
    ([0, 1, 2, 3, 3, 4, 4], [0, 0, 0, 0, 1, 0, 1], [0, 1, 2, 3, 5])
    """

    def __init__(self, longest: int, k: int) -> None:
        lengths = np.arange(longest + 1)
        kept = np.minimum(lengths, k)
        starts = np.cumsum(1 << kept) - (1 << kept)
        of_point = np.repeat(lengths, 1 << lengths)
        places = np.arange(of_point.size) + 1 - (1 << of_point)
        behind = of_point - kept[of_point]
        self.size = int((1 << kept).sum())
        self.symbols = starts[of_point] + (places >> behind)
        self.tails = places & ((1 << behind) - 1)
        self.lengths = np.repeat(lengths, 1 << kept)
        self.spare = self.lengths - kept[self.lengths]
        heads = np.arange(self.size) - starts[self.lengths]
        self.first = (1 << self.lengths) - 1 + (heads << self.spare)


def _bits(every: np.ndarray, split: Split) -> float:
    """What points cost with their table; ``every`` counts each point."""
    counts = np.bincount(split.symbols, every, split.size).astype(np.int64)
    used = counts[counts > 0]
    coded = float((used * np.log2(used.sum() / used)).sum())
    return coded + float(counts @ split.spare) + 8.0 * tables.encode(counts).size
