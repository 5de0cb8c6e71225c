"""Is ``convolve`` the integer convolution, by plain loops over every output and tap?"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workloads.models import random_graph, random_integers
from workloads.convolve import convolve
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def by_loops(tensors):
    layer, weights = tensors.layer, tensors.dense_weights()
    per_group = layer.K // layer.groups
    psums = np.zeros((tensors.images, layer.K, layer.P, layer.Q), np.int64)
    for n, k, p, q in np.ndindex(psums.shape):
        first = k // per_group * layer.channels_per_group
        for c, r, s in np.ndindex(layer.channels_per_group, layer.R, layer.S):
            y = p * layer.strides[0] + r * layer.dilations[0] - layer.padding[0]
            x = q * layer.strides[1] + s * layer.dilations[1] - layer.padding[2]
            if 0 <= y < layer.H and 0 <= x < layer.W:
                pixel = int(tensors.activations[n, first + c, y, x])
                psums[n, k, p, q] += pixel * int(weights[k, c, r, s])
    return psums


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_any_layer_equals_plain_loops(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 0)  # an input and one convolution
    model, layer = random_integers(rng, graph), graph.output.layer
    dtype = rng.choice([np.int8, np.uint8])
    limits = np.iinfo(dtype)
    shape = (2, layer.C, layer.H, layer.W)
    pixels = rng.integers(limits.min, limits.max + 1, shape).astype(dtype)
    weights = model.convs["last"].weights
    scales = {}
    if weights.coefficients is not None and rng.random() < 0.6:
        K, _, M = weights.coefficients.shape
        alpha = rng.integers(1, 256, (K, M)).astype(np.uint8)
        scales = {"alpha": alpha} if rng.random() < 0.5 else {"two_sided": (3, 254)}
    tensors = LayerTensors(
        layer, pixels, weights.weights, weights.basis, weights.coefficients, **scales
    )
    psums = convolve(tensors)
    assert psums.dtype == np.int64
    np.testing.assert_array_equal(psums, by_loops(tensors))


def test_extreme_operands_do_not_wrap():
    layer = ConvLayer("wide", C=4096, K=1, H=1, W=1)
    pixels = np.full((1, 4096, 1, 1), 255, np.uint8)
    weights = np.full((1, 4096, 1, 1), -128, np.int8)
    assert convolve(LayerTensors(layer, pixels, weights)).item() == -128 * 255 * 4096
