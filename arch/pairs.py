"""Effectual pairs: products of a convolution whose weight and activation are both not zero.

They are a property of the tensors, the same on every machine: each pair of an output and a tap
counts once, however often a machine reads or multiplies it.  The weight is the integer that the
convolution multiplies by.  In a decomposed layer that is the sum over m of T B, with T scaled; it
may be zero although coefficients are not.

Rule: specification/memory.md, MEM-13.
"""

import numpy as np

from arch.machine import Kept
from arch.pair_counts import count_filters, count_sums, count_taps
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def tap_counts(layer: ConvLayer, activations: np.ndarray) -> np.ndarray:
    """For each tap, how many outputs read a non-zero, all images; int64 (C, R, S).

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
    counts = np.zeros((layer.C, layer.R, layer.S), np.int64)
    flags = np.ascontiguousarray(activations != 0).view(np.uint8)
    edges = layer.padding[0], layer.padding[2]
    count_taps(flags, layer.strides, layer.dilations, edges, layer.P, layer.Q, counts)
    return counts


def padded(layer: ConvLayer, activations: np.ndarray) -> np.ndarray:
    """The input planes (N, C, H, W) with their zero padding."""
    top, bottom, left, right = layer.padding
    return np.pad(activations, ((0, 0), (0, 0), (top, bottom), (left, right)))


def tap_sums(layer: ConvLayer, planes: np.ndarray) -> np.ndarray:
    """For each tap of each input channel, the sum of what it reads over all outputs and images.

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
            counts[:, r, s] = planes[:, :, *layer.tap(r, s)].sum(axis=(0, 2, 3))
    return counts


def filter_counts(layer: ConvLayer, weights: np.ndarray) -> np.ndarray:
    """For each tap of each input channel, how many filters have a non-zero; int64 (C, R, S).

    Examples
    --------
    >>> layer = ConvLayer("fc", C=2, K=3, H=1, W=1)
    >>> filter_counts(layer, np.array([1, 0, 1, 2, 0, 3], np.int8).reshape(3, 2, 1, 1)).tolist()
    [[[2]], [[2]]]
    """
    grouped = np.ascontiguousarray(weights).reshape(layer.groups, layer.K // layer.groups, -1)
    counts = np.zeros((layer.groups, grouped.shape[2]), np.int64)
    count_filters(grouped, counts)
    return counts.reshape(layer.C, layer.R, layer.S)


def reader_counts(tensors: LayerTensors) -> np.ndarray:
    """``filter_counts`` of the integer weights, without building those of a decomposed layer.

    Examples
    --------
    >>> layer = ConvLayer("a", C=1, K=1, H=1, W=2, S=2)
    >>> basis = np.array([[[1, 1]], [[1, -1]]], np.int8)
    >>> both = np.ones((1, 1, 2), np.int8)  # the second tap cancels
    >>> pixels = np.ones((1, 1, 1, 2), np.uint8)
    >>> reader_counts(LayerTensors(layer, pixels, basis=basis, coefficients=both)).tolist()
    [[[1, 0]]]
    """
    layer, coefficients = tensors.layer, tensors.coefficients
    if coefficients is None:
        assert tensors.weights is not None
        return filter_counts(layer, tensors.weights)
    if tensors.basis is None:
        return filter_counts(layer, coefficients)
    by_group = layer.groups, layer.K // layer.groups
    bases = coefficients.shape[2]
    positive, negative = tensors.two_sided or (1, 1)
    plus = np.full((*by_group, bases), positive, np.int32)
    minus = np.full((*by_group, bases), negative, np.int32)
    if tensors.alpha is not None:
        plus = minus = tensors.alpha.astype(np.int32).reshape(*by_group, bases)
    counts = np.zeros((layer.groups, layer.channels_per_group, layer.R * layer.S), np.int64)
    basis = tensors.basis.reshape(bases, -1).astype(np.int32)
    count_sums(coefficients.reshape(*by_group, -1, bases), plus, minus, basis, counts)
    return counts.reshape(layer.C, layer.R, layer.S)


def effectual_pairs(layer: ConvLayer, activations: np.ndarray, weights: np.ndarray) -> int:
    """Number of pairs of a non-zero weight and a non-zero activation, all images.

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


def effectual_ops(tensors: LayerTensors, kept: Kept) -> int:
    """Effectual pairs of a layer, all images; computed once for all machines.

    Parameters
    ----------
    tensors : LayerTensors
    kept : what runs of these tensors share
    """

    def count() -> int:
        taps = tap_counts(tensors.layer, tensors.activations)
        return int((taps * reader_counts(tensors)).sum())

    return kept.get("effectual ops", (), count)
