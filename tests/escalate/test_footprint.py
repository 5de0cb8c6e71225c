"""Footprint: counted bits are encoded bits."""

import numpy as np
import pytest

from escalate.compression import compress
from escalate.errors import CheckpointError
from escalate.footprint import compression_ratio, footprint, layer_footprint
from escalate.options import CompressOptions
from tests.escalate.small_networks import (
    SETTINGS,
    every_operator,
    random_pixels,
    with_random_weights,
)
from workloads.weights import LayerWeights


@pytest.mark.parametrize(("form", "bits"), [("bitmap", 80), ("two_bit", 96)])
def test_bits_of_a_decomposed_layer(form, bits):
    coefficients = np.zeros((4, 3, 4), np.int8)
    coefficients.ravel()[:30] = np.where(np.arange(30) % 2, 1, -1)
    basis = np.array([127, -64, 3, 0], np.int8)[:, None, None] * np.ones((4, 3, 3), np.int8)
    found = layer_footprint("a", LayerWeights(basis=basis, coefficients=coefficients), 4, form)
    assert found.coefficients == 48
    assert found.nonzeros == 30
    assert found.density == 30 / 48
    assert found.coefficient_bits == bits
    assert found.basis_bits == 8 * 36
    assert found.requantizer_bits == 4 * 64
    assert found.effective_bits == (8, 8, 3, 0)
    assert found.bits == bits + 8 * 36 + 4 * 64


def test_bits_of_an_int8_layer():
    found = layer_footprint("a", LayerWeights(weights=np.ones((4, 2, 3, 3), np.int8)), 4)
    assert (found.weight_bits, found.coefficient_bits, found.density) == (8 * 72, 0, 1.0)


def test_a_model_is_the_sum_of_its_layers_in_order():
    network = with_random_weights(every_operator())
    pixels = random_pixels(network.graph, 8)
    model = compress(network, CompressOptions(epochs=0), pixels, None, SETTINGS)
    layers = footprint(model, "two_bit")
    assert [layer.name for layer in layers] == ["c1", "c2", "c3", "dw", "fc"]
    assert layers[1].coefficient_bits == 2 * 8 * 4 * 6
    assert layers[2].basis_bits == 0
    assert layers[3].weight_bits == 8 * 16 * 9


def test_a_ratio_needs_bytes():
    with pytest.raises(CheckpointError, match="0 bytes were stored"):
        compression_ratio(10, 0)
