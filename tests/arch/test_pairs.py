"""Pairs, runs and dense psums against plain counting and the plain convolution."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.dense import check_psums, int8_weights, psums
from arch.errors import OperandError
from arch.machine import Kept
from arch.pairs import effectual_ops, effectual_pairs
from arch.zero_runs import entries
from tests.arch.layers import small_layers
from workloads.convolve import convolve
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def sparse(layer, seed, images=2):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (images, layer.C, layer.H, layer.W))
    pixels *= rng.random(pixels.shape) < 0.5
    weights = rng.integers(-128, 128, layer.weight_shape)
    weights *= rng.random(weights.shape) < 0.5
    return LayerTensors(layer, pixels.astype(np.uint8), weights.astype(np.int8))


def plain_weights(tensors):
    """The integer weights, sum by sum."""
    if tensors.weights is not None:
        return tensors.weights
    layer, factors = tensors.layer, tensors.scaled_coefficients().tolist()
    found = np.zeros(layer.weight_shape, np.int64)
    for k, c in itertools.product(range(layer.K), range(layer.channels_per_group)):
        for m, kernel in enumerate(tensors.basis.astype(int)):
            found[k, c] += factors[k][c][m] * kernel
    return found


def counted(tensors):
    """Every product of the convolution, one after the other, that has no zero."""
    weights = plain_weights(tensors)
    layer, found = tensors.layer, 0
    top, bottom, left, right = layer.padding
    pixels = np.pad(tensors.activations, ((0, 0), (0, 0), (top, bottom), (left, right)))
    size = layer.channels_per_group
    for n, k, p, q in itertools.product(
        range(tensors.images), range(layer.K), range(layer.P), range(layer.Q)
    ):
        first = k // (layer.K // layer.groups) * size
        for c, r, s in itertools.product(range(size), range(layer.R), range(layer.S)):
            y = p * layer.strides[0] + r * layer.dilations[0]
            x = q * layer.strides[1] + s * layer.dilations[1]
            found += bool(pixels[n, first + c, y, x]) and bool(weights[k, c, r, s])
    return found


@settings(max_examples=60, deadline=None)
@given(small_layers(), st.integers(0, 2**32 - 1))
def test_pairs_and_psums_are_those_of_the_convolution(layer, seed):
    tensors = sparse(layer, seed)
    pairs = effectual_pairs(layer, tensors.activations, tensors.weights)
    assert pairs == counted(tensors)
    assert effectual_ops(tensors, Kept()) == pairs
    found = psums(tensors, int8_weights(tensors))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, convolve(tensors))


@settings(max_examples=60, deadline=None)
@given(small_layers(), st.data())
def test_pairs_of_a_decomposed_layer_have_sums_that_do_not_cancel(layer, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    M = data.draw(st.integers(1, layer.R * layer.S))
    scale = data.draw(st.sampled_from(("layer", "filter_basis", "two_sided")))
    tensors = LayerTensors(
        layer,
        rng.integers(-1, 2, (2, layer.C, layer.H, layer.W)).astype(np.int8),
        basis=rng.integers(-2, 3, (M, layer.R, layer.S)).astype(np.int8),
        coefficients=rng.integers(-1, 2, (layer.K, layer.channels_per_group, M)).astype(np.int8),
        alpha=rng.integers(1, 4, (layer.K, M)).astype(np.uint8)
        if scale == "filter_basis"
        else None,
        two_sided=(2, 3) if scale == "two_sided" else None,
    )
    assert effectual_ops(tensors, Kept()) == counted(tensors)


def test_psums_that_do_not_fit_are_named():
    layer = ConvLayer("fc", C=3, K=1, H=1, W=1)
    pixels = np.array([[[[255]], [[255]], [[2]]]], np.uint8)
    tensors = LayerTensors(layer, pixels, np.array([[[[-128]], [[-128]], [[3]]]], np.int8))
    assert psums(tensors, int8_weights(tensors), 17).item() == -65274
    with pytest.raises(OperandError, match="fc: a psum of -65274 leaves the 16 bits of psum_bits"):
        psums(tensors, int8_weights(tensors), 16)
    check_psums("fc", np.array([127, -128]), 8)
    with pytest.raises(OperandError, match="fc: a psum of 128 leaves the 8 bits"):
        check_psums("fc", np.array([128, -128]), 8)


@given(st.lists(st.integers(0, 1), max_size=80), st.integers(1, 9))
def test_entries_can_be_read_back(bits, longest):
    """Write the stream entry by entry, and read it again."""
    stream, run = [], 0
    for bit in bits:
        if bit:
            stream.append((run, 1))
            run = 0
        elif run == longest:  # the entry's own value is the zero behind the run
            stream.append((run, 0))
            run = 0
        else:
            run += 1
    while stream and stream[-1][1] == 0:
        run += stream.pop()[0] + 1
    read = [value for zeros, last in stream for value in [0] * zeros + [last]] + [0] * run
    assert read == bits
    assert entries(np.array([bits], np.int8).reshape(1, -1), longest).tolist() == [len(stream)]
