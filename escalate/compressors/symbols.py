"""symbols: small whole numbers in about as many bits as tables of counts say, by a range coder.

Both sides make probabilities from the same integers by one float64 division; no other float
decides a bit.  A symbol that the table counts 0 times cannot be coded.
"""

from collections.abc import Sequence

import constriction
import numpy as np

from escalate.errors import StreamError
from workloads.formats.bits import WORD, pack_words, unpack_words

_queue, _model = constriction.stream.queue, constriction.stream.model


def encode(groups: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Vectors of symbols, one behind the other in one code, as uint8.

    Parameters
    ----------
    groups : of each the symbols, integers >= 0, and the counts of its table, integers >= 0 of
        shape (S,); of one symbol alone nothing is written

    Raises
    ------
    StreamError
        If a symbol is not in its table.

    Examples
    --------
    >>> encode([(np.array([0, 2, 2, 0]), np.array([2, 0, 2])), (np.ones(9, int), np.array([0, 3]))])
    array([ 0,  0,  0, 96], dtype=uint8)
    """
    encoder = _queue.RangeEncoder()
    for symbols, counts in groups:
        if symbols.size and not (
            symbols.min() >= 0 and symbols.max() < counts.size and counts[symbols].all()
        ):
            raise StreamError("symbols: one is not in its table")
        known = np.flatnonzero(counts)
        if symbols.size and known.size > 1:
            ranks = np.zeros(counts.size, np.int32)
            ranks[known] = np.arange(known.size)
            encoder.encode(ranks[symbols], _table(counts[known]))
    return pack_words(encoder.get_compressed())


def decode(payload: np.ndarray, groups: Sequence[tuple[int, np.ndarray]]) -> list[np.ndarray]:
    """The vectors that ``encode`` packed into the whole of ``payload``, uint8; int64.

    Parameters
    ----------
    groups : of each how many symbols, and the counts of its table

    Raises
    ------
    StreamError
        If the payload is not of these groups, as far as a range coder can tell.

    Examples
    --------
    >>> payload = encode([(np.array([0, 2, 2, 0]), np.array([2, 0, 2]))])
    >>> decode(payload, [(4, np.array([2, 0, 2]))])
    [array([0, 2, 2, 0])]
    """
    if payload.size % WORD.itemsize:
        raise StreamError(f"symbols: {payload.size} bytes are no whole words")
    decoder = _queue.RangeDecoder(unpack_words(payload))
    found = []
    for size, counts in groups:
        known = np.flatnonzero(counts)
        if size and not known.size:
            raise StreamError(f"symbols: {size} of a table that counts none")
        if not size or known.size == 1:
            found.append(np.full(size, known[0] if size else 0, np.int64))
            continue
        try:
            found.append(known[decoder.decode(_table(counts[known]), size)])
        except AssertionError as error:
            raise StreamError("symbols: the code is torn or another's") from error
    if not decoder.maybe_exhausted():
        raise StreamError("symbols: the code is longer than its symbols")
    return found


def _table(counts: np.ndarray) -> object:
    return _model.Categorical(counts / counts.sum(), perfect=False)


def entropy_bits(symbols: np.ndarray) -> float:
    """Bits below which no table of single symbols takes them: their empirical entropy.

    Examples
    --------
    >>> entropy_bits(np.array([0, 1, 1, 0, 7, 7, 7, 7]))
    12.0
    """
    counts = np.unique(symbols, return_counts=True)[1]
    return float((counts * np.log2(symbols.size / counts)).sum())
