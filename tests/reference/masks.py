"""Deterministic zero/non-zero masks: a fixed 32-bit hash of the element's index.

The same rule regenerates the tensors of every golden value, whoever computed it.
"""

import numpy as np

GOLDEN_RATIO = 0x9E3779B9  # 2^32 / 1.618..., spreads the salts


def hash_words(count: int, salt: int) -> np.ndarray:
    """The hash of the indices 0..count-1, uint32; all arithmetic is modulo 2^32."""
    x = np.arange(count, dtype=np.uint32) + np.uint32(salt * GOLDEN_RATIO % 2**32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def mask(shape: tuple[int, ...], density: float, salt: int) -> np.ndarray:
    """True where an element is non-zero, C order: its word is below floor(density * 2^32)."""
    words = hash_words(int(np.prod(shape)), salt).astype(np.uint64)
    return (words < np.uint64(int(density * 2**32))).reshape(shape)


def ones(shape: tuple[int, ...], density: float, salt: int) -> np.ndarray:
    """The value 1 wherever the mask is set, uint8."""
    return mask(shape, density, salt).astype(np.uint8)


def signed(shape: tuple[int, ...], density: float, salt: int, sign_salt: int = 3) -> np.ndarray:
    """-1 where a second mask of density one half is set, else +1; int8, zero off the mask."""
    sign = np.where(mask(shape, 0.5, sign_salt), -1, 1)
    return (mask(shape, density, salt) * sign).astype(np.int8)
