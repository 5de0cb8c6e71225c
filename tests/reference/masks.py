"""Ones and signs on the hash masks, from which every golden value's tensors are made.

The masks themselves are ``workloads.hash_masks``; its words are judged by their published vector.
"""

import numpy as np

from workloads.hash_masks import mask
from workloads.hash_masks import words as hash_words

__all__ = ["hash_words", "mask", "ones", "signed"]


def ones(shape: tuple[int, ...], density: float, salt: int) -> np.ndarray:
    """The value 1 wherever the mask is set, uint8."""
    return mask(shape, density, salt).astype(np.uint8)


def signed(shape: tuple[int, ...], density: float, salt: int, sign_salt: int = 3) -> np.ndarray:
    """-1 where a second mask of density one half is set, else +1; int8, zero off the mask."""
    sign = np.where(mask(shape, 0.5, sign_salt), -1, 1)
    return (mask(shape, density, salt) * sign).astype(np.int8)
