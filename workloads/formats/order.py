"""The order in which some formats store coefficients: basis kernel by basis kernel."""

import numpy as np


def by_kernel(coefficients: np.ndarray) -> np.ndarray:
    """Flatten (K, C/groups, M) so that all coefficients of a basis kernel are side by side.

    Examples
    --------
    >>> by_kernel(np.array([[[1, 0], [0, -1]]], np.int8)).tolist()
    [1, 0, 0, -1]
    """
    return np.ascontiguousarray(coefficients.transpose(2, 0, 1)).reshape(-1)


def from_kernels(flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of ``by_kernel``: the array of ``shape`` (K, C/groups, M).

    Examples
    --------
    >>> from_kernels(np.array([1, 0, 0, -1], np.int8), (1, 2, 2)).tolist()
    [[[1, 0], [0, -1]]]
    """
    K, channels, M = shape
    return np.ascontiguousarray(flat.reshape(M, K, channels).transpose(1, 2, 0))
