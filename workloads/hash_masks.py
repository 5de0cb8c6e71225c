"""Masks of zeros from a fixed 32-bit hash of an element's index, the same for everybody.

Other simulators were run on tensors made by this rule, so their outputs can be compared exactly.
"""

import math

import numpy as np

GOLDEN_RATIO = 0x9E3779B9  # 2^32 / 1.618..., spreads the salts


def words(count: int, salt: int) -> np.ndarray:
    """The hash of the indices 0..count - 1, uint32; all arithmetic is modulo 2^32.

    Examples
    --------
    >>> [f"{word:08x}" for word in words(2, 1)]
    ['01fce552', '9f505634']
    """
    x = np.arange(count, dtype=np.uint32) + np.uint32(salt * GOLDEN_RATIO % 2**32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    found: np.ndarray = x ^ (x >> np.uint32(16))
    return found


def mask(shape: tuple[int, ...], density: float, salt: int) -> np.ndarray:
    """True where an element is non-zero: where its word is below floor(density x 2^32); bool.

    Elements count in C order.

    Examples
    --------
    >>> mask((2, 2), 0.5, 1).tolist()
    [[True, False], [True, True]]
    """
    limit = np.uint64(int(density * 2**32))
    return (words(math.prod(shape), salt).astype(np.uint64) < limit).reshape(shape)
