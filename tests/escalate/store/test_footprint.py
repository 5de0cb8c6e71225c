"""Footprint: counted bits are encoded bits."""

import numpy as np
import pytest

from escalate.errors import CheckpointError
from escalate.recipe.compression import compress
from escalate.recipe.options import compress_options
from escalate.store import model_file
from escalate.store.footprint import compression_ratio, footprint, layer_footprint, sizes
from tests.escalate.small_networks import (
    SETTINGS,
    every_operator,
    random_pixels,
    with_random_weights,
)
from workloads import formats
from workloads.formats import numbers
from workloads.weights import LayerWeights


def decomposed():
    coefficients = np.zeros((4, 3, 4), np.int8)
    coefficients.ravel()[:30] = np.where(np.arange(30) % 2, 1, -1)
    basis = np.array([127, -64, 3, 0], np.int8)[:, None, None] * np.ones((4, 3, 3), np.int8)
    return LayerWeights(basis=basis, coefficients=coefficients)


@pytest.mark.parametrize(("coding", "size"), [("bitmap", 10), ("two_bit", 12)])
def test_bytes_of_a_decomposed_layer(coding, size):
    weights = decomposed()
    found = layer_footprint("a", weights, 21, coding)
    assert (found.form, found.M, found.weights, found.nonzeros) == ("decomposed", 4, 48, 30)
    assert found.density == 30 / 48
    assert found.coefficient_bytes == size == found.formats[coding]
    assert found.basis_bytes == numbers.encode(weights.basis).size
    assert found.effective_bits == (8, 8, 3, 0)
    assert found.bytes == size + found.basis_bytes + 21
    assert found.hardware_bytes == size + found.basis_bytes
    assert set(found.formats) == set(formats.FORMATS)


def test_the_ideal_is_the_entropy():
    coefficients = np.array([[[1], [-1], [0], [0], [0], [0], [0], [0]]], np.int8)
    found = layer_footprint("a", LayerWeights(coefficients=coefficients), 0, "bitmap")
    share = 2 / 8
    mask = 8 * -(share * np.log2(share) + (1 - share) * np.log2(1 - share))
    assert found.ideal_bits == pytest.approx(mask + 2)


def test_bytes_of_an_int8_layer():
    found = layer_footprint("a", LayerWeights(weights=np.ones((4, 2, 3, 3), np.int8)), 9, "entropy")
    assert (found.form, found.M, found.weights, found.density) == ("8 bit", 0, 72, 1.0)
    assert found.hardware_bytes == 72
    assert (found.ideal_bits, found.formats) == (0.0, {})


def test_a_model_is_the_sum_of_its_layers_in_order(tmp_path):
    network = with_random_weights(every_operator())
    pixels = random_pixels(network.graph, 8)
    options = compress_options(epochs=0, storage="two_bit", remove=False)
    model = compress(network, options, pixels, None, SETTINGS)
    layers = footprint(model)
    assert [layer.name for layer in layers] == ["c1", "c2", "c3", "dw", "fc"]
    assert layers[1].coefficient_bytes == 2 * 8 * 4 * 6 // 8
    assert layers[2].M == 0
    assert [each.form for each in layers][3:] == ["8 bit", "ternary"]
    model_file.save(model, tmp_path)
    found = sizes(model)
    assert found.on_disk == model_file.bytes_on_disk(tmp_path)
    assert found.payload == sum(each.bytes for each in layers)
    assert found.convolutions == found.payload - layers[-1].bytes
    assert found.ideal <= found.payload < found.on_disk
    best = compress(network, compress_options(epochs=0, remove=False), pixels, None, SETTINGS)
    assert sizes(best).payload < found.payload
    assert sizes(best).ideal == found.ideal


@pytest.mark.parametrize("storage", ["best", "two_bit", "run_length"])
@pytest.mark.parametrize("density", [0.02, 0.3, 1.0])
def test_the_lower_bound_is_below_every_other_count(storage, density):
    network = with_random_weights(every_operator())
    pixels = random_pixels(network.graph, 8)
    options = compress_options(epochs=0, storage=storage, density=density)
    found = sizes(compress(network, options, pixels, None, SETTINGS))
    assert found.ideal <= min(found.hardware, found.payload, found.on_disk)


def test_a_bound_of_blocks_is_not_above_what_a_format_makes_of_them():
    coefficients = np.zeros((64, 64, 1), np.int8)
    coefficients[:4, :16] = 1  # entropy of single coefficients does not know of blocks
    found = layer_footprint("a", LayerWeights(coefficients=coefficients), 0, "two_level")
    assert found.ideal_bits <= 8 * min(found.formats.values())


def test_bits_per_weight_count_dense_weights():
    found = layer_footprint("a", decomposed(), 0, "bitmap")
    assert found.dense_weights == 4 * 3 * 3 * 3
    assert found.bits_per_weight == 8 * (10 + found.basis_bytes) / 108
    ternary = LayerWeights(coefficients=np.ones((4, 8, 1), np.int8))
    assert layer_footprint("a", ternary, 5, "two_bit").bits_per_weight == 2


def test_a_ratio_needs_bytes():
    with pytest.raises(CheckpointError, match="0 bytes were stored"):
        compression_ratio(10, 0)
