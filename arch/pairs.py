"""Effectual pairs: products of a convolution whose weight and activation are both not zero.

Every machine that skips zeros on both sides does exactly these multiplications.
"""

import numpy as np

from workloads.layer import ConvLayer


def tap_counts(layer: ConvLayer, activations: np.ndarray) -> np.ndarray:
    """How many outputs of each tap read a non-zero, all images; int64 (C, R, S).

    Parameters
    ----------
    layer : ConvLayer
    activations : integers, shape (N, C, H, W); zeros of the padding count as zeros

    Examples
    --------
    >>> layer = ConvLayer("a", C=1, K=1, H=1, W=3, S=3, padding=(0, 0, 1, 1))
    >>> tap_counts(layer, np.array([[[[1, 0, 2]]]], np.uint8)).tolist()
    [[[1, 2, 1]]]
    """
    return tap_sums(layer, padded(layer, activations != 0))


def padded(layer: ConvLayer, activations: np.ndarray) -> np.ndarray:
    """The input planes (N, C, H, W) with their zeros around them."""
    top, bottom, left, right = layer.padding
    return np.pad(activations, ((0, 0), (0, 0), (top, bottom), (left, right)))


def tap_sums(layer: ConvLayer, planes: np.ndarray) -> np.ndarray:
    """What each tap of each input channel meets over all outputs and images, added up.

    Parameters
    ----------
    layer : ConvLayer
    planes : bool or integers of the padded input, shape (N, C, ...)

    Returns
    -------
    int64, shape (C, R, S)
    """
    counts = np.empty((layer.C, layer.R, layer.S), np.int64)
    for r in range(layer.R):
        for s in range(layer.S):
            y, x = r * layer.dilation, s * layer.dilation
            rows = slice(y, y + (layer.P - 1) * layer.stride + 1, layer.stride)
            columns = slice(x, x + (layer.Q - 1) * layer.stride + 1, layer.stride)
            counts[:, r, s] = planes[:, :, rows, columns].sum(axis=(0, 2, 3))
    return counts


def filter_counts(layer: ConvLayer, weights: np.ndarray) -> np.ndarray:
    """How many filters have a non-zero at each tap of each input channel; int64 (C, R, S).

    Examples
    --------
    >>> layer = ConvLayer("fc", C=2, K=3, H=1, W=1)
    >>> filter_counts(layer, np.array([1, 0, 1, 2, 0, 3], np.int8).reshape(3, 2, 1, 1)).tolist()
    [[[2]], [[2]]]
    """
    grouped = weights.reshape(layer.groups, -1, *layer.weight_shape[1:])
    found: np.ndarray = np.count_nonzero(grouped, axis=1).reshape(layer.C, layer.R, layer.S)
    return found


def effectual_pairs(layer: ConvLayer, activations: np.ndarray, weights: np.ndarray) -> int:
    """Pairs of a non-zero weight and a non-zero activation, all images.

    Parameters
    ----------
    layer : ConvLayer
    activations : integers, shape (N, C, H, W)
    weights : integers, shape (K, C/groups, R, S)

    Examples
    --------
    >>> layer = ConvLayer("a", C=1, K=2, H=1, W=3, S=3, padding=(0, 0, 1, 1))
    >>> weights = np.array([1, 0, 1, 0, 3, 0], np.int8).reshape(2, 1, 1, 3)
    >>> effectual_pairs(layer, np.array([[[[1, 0, 2]]]], np.uint8), weights)
    4
    """
    return int((tap_counts(layer, activations) * filter_counts(layer, weights)).sum())
