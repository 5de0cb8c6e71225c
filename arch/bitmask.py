"""Bitmasks: one bit per element, 1 = non-zero, packed in uint64 words, bit 0 first."""

import numpy as np


def pack(nonzero: np.ndarray) -> np.ndarray:
    """Pack bool (rows, elements) into uint64 (rows, words).

    Examples
    --------
    >>> pack(np.array([[True, False, True]])).tolist()
    [[5]]
    """
    rows, elements = nonzero.shape
    words = -(-elements // 64)
    padded = np.zeros((rows, words * 64), bool)
    padded[:, :elements] = nonzero
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)


def unpack(words: np.ndarray, elements: int) -> np.ndarray:
    """The inverse of ``pack``.

    Examples
    --------
    >>> unpack(np.array([[5]], np.uint64), 3).tolist()
    [[True, False, True]]
    """
    bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
    return bits[:, :elements].astype(bool)
