"""Is a layer encoded once, whoever asks for its bytes, and changed weights anew?"""

import dataclasses

import numpy as np
import pytest

from workloads import formats
from workloads.formats import numbers
from workloads.integer import ConvIntegers
from workloads.requantize import Requantizer
from workloads.weights import LayerWeights

SIGNS = np.random.default_rng(0).integers(-1, 2, (8, 4, 3)).astype(np.int8)
RULE = Requantizer(np.arange(8, dtype=np.int32), np.arange(8, dtype=np.int32) - 4, 3, 0, 255)


@pytest.fixture
def counted(monkeypatch):
    """The formats that something was encoded in."""
    found = []
    for name in formats.FORMATS:
        module = formats.get(name)
        encode = module.encode

        def counting(coefficients, name=name, encode=encode):
            found.append(name)
            return encode(coefficients)

        monkeypatch.setattr(module, "encode", counting)
    return found


def test_every_format_is_encoded_once(counted):
    weights = LayerWeights(coefficients=SIGNS)
    smallest, sizes = weights.smallest(), weights.sizes()
    conv = ConvIntegers(weights, RULE, smallest)
    assert conv.payload.size == min(sizes.values()) == sizes[smallest]
    assert counted == list(formats.FORMATS)
    assert (smallest, conv.payload.tolist()) == (
        (found := formats.encode(SIGNS))[0],
        found[1].tolist(),
    )


def test_other_weights_are_encoded_anew(counted):
    weights = LayerWeights(coefficients=SIGNS)
    before = weights.encoded("bitmap")
    other = dataclasses.replace(weights, coefficients=np.abs(SIGNS))
    assert not np.array_equal(other.encoded("bitmap"), before)
    assert counted == ["bitmap", "bitmap"]


def test_bytes_that_are_kept_cannot_be_changed():
    weights = LayerWeights(coefficients=SIGNS, basis=np.ones((3, 3, 3), np.int8))
    for stored in (weights.encoded("two_bit"), weights.encoded_basis()):
        with pytest.raises(ValueError, match="read-only"):
            stored[0] = 1


def test_weights_of_8_bits_are_numbers_in_whatever_coding():
    weights = LayerWeights(weights=np.arange(9, dtype=np.int8).reshape(1, 1, 3, 3))
    assert weights.smallest() == "numbers"
    assert weights.sizes() == {}
    payload = ConvIntegers(weights, RULE, "bitmap").payload
    assert payload.tolist() == numbers.encode(weights.weights).tolist()


def test_a_rule_is_its_multipliers_and_biases():
    conv = ConvIntegers(LayerWeights(coefficients=SIGNS), RULE)
    values, place = numbers.decode(conv.rule, 0, 8)
    assert values.tolist() == RULE.multiplier.tolist()
    values, place = numbers.decode(conv.rule, place, 8)
    assert values.tolist() == RULE.bias.tolist()
    assert place == conv.rule.size
    assert conv.rule is conv.rule
