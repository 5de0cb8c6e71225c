"""Are a layer's tensors checked at birth, and is their identity their content?"""

import numpy as np
import pytest

from workloads.errors import WorkloadError
from workloads.layer import ConvLayer
from workloads.requantize import Requantizer
from workloads.tensors import LayerTensors

LAYER = ConvLayer("conv", C=4, K=6, H=5, W=5, R=3, S=3, groups=2)
POINT = ConvLayer("point", C=4, K=6, H=5, W=5)


def random(shape, low, high, seed=0):
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.int8)


def fields(layer=LAYER, m=4, **changes):
    return {
        "layer": layer,
        "activations": random((2, 4, 5, 5), -128, 128),
        "basis": random((m, layer.R, layer.S), -128, 128),
        "coefficients": random((6, layer.channels_per_group, m), -1, 2),
    } | changes


def bypass(**changes):
    return fields(weights=random((6, 2, 3, 3), -128, 128), basis=None, coefficients=None) | changes


def test_modes():
    assert LayerTensors(**fields()).mode == "decomposed"
    assert LayerTensors(**bypass()).mode == "bypass"
    assert LayerTensors(**fields(POINT, 1, basis=None)).mode == "pointwise"
    assert LayerTensors(**fields()).images == 2


def test_dense_weights_are_the_sum_over_the_basis():
    tensors = LayerTensors(**fields())
    wanted = np.zeros((6, 2, 3, 3), np.int64)
    for k, c, m in np.ndindex(6, 2, 4):
        wanted[k, c] += int(tensors.coefficients[k, c, m]) * tensors.basis[m].astype(np.int64)
    np.testing.assert_array_equal(tensors.dense_weights(), wanted)
    assert tensors.dense_weights().dtype == np.int32


ALPHA = np.array([[1, 2, 3, 255]] * 5 + [[7, 1, 1, 9]], np.uint8)


@pytest.mark.parametrize(
    ("scales", "count"), [({}, 0), ({"alpha": ALPHA}, 1), ({"two_sided": (3, 200)}, 2)]
)
def test_scales_of_coefficients_are_part_of_the_weights(scales, count):
    """alpha T B, or p T+ B - n T- B, coefficient by coefficient."""
    tensors = LayerTensors(**fields(**scales))
    wanted = np.zeros((6, 2, 3, 3), np.int64)
    for k, c, m in np.ndindex(6, 2, 4):
        sign, scale = int(tensors.coefficients[k, c, m]), 1
        if "alpha" in scales:
            scale = int(ALPHA[k, m])
        elif scales:
            scale = 3 if sign > 0 else 200
        assert tensors.scaled_coefficients()[k, c, m] == scale * sign
        wanted[k, c] += scale * sign * tensors.basis[m].astype(np.int64)
    np.testing.assert_array_equal(tensors.dense_weights(), wanted)
    assert tensors.multiplies_per_sum == count


def test_pointwise_layers_have_scales_too():
    tensors = LayerTensors(**fields(POINT, 1, basis=None, two_sided=(5, 9)))
    signs = tensors.coefficients.astype(int)
    wanted = 5 * (signs == 1) - 9 * (signs == -1)
    np.testing.assert_array_equal(tensors.dense_weights(), wanted[..., None])


def test_dense_weights_of_the_other_modes_are_the_integers_themselves():
    tensors = LayerTensors(**bypass())
    np.testing.assert_array_equal(tensors.dense_weights(), tensors.weights)
    pointwise = LayerTensors(**fields(POINT, 1, basis=None))
    np.testing.assert_array_equal(
        pointwise.dense_weights(), pointwise.coefficients.reshape(6, 4, 1, 1)
    )


def test_arrays_are_made_read_only():
    tensors = LayerTensors(**fields())
    for name in ("activations", "basis", "coefficients"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(tensors, name)[0] = 0


def test_the_digest_tells_tensors_apart():
    base = LayerTensors(**fields()).digest()
    assert base == LayerTensors(**fields()).digest()
    shortcut = np.zeros((2, 6, 3, 3), np.int8)
    unsigned = fields()["activations"].view(np.uint8)
    others = [
        fields(activations=random((2, 4, 5, 5), -128, 128, seed=1)),
        fields(activations=unsigned),
        fields(basis=random((4, 3, 3), -128, 128, seed=1)),
        fields(coefficients=random((6, 2, 4), -1, 2, seed=1)),
        fields(shortcut=shortcut),
        fields(shortcut=shortcut + np.int8(1)),
        fields(alpha=ALPHA),
        fields(alpha=ALPHA[::-1].copy()),
        fields(two_sided=(2, 3)),
        fields(two_sided=(3, 2)),
        fields(ConvLayer("other", C=4, K=6, H=5, W=5, R=3, S=3, groups=2)),
        bypass(),
    ]
    digests = {LayerTensors(**other).digest() for other in others}
    assert len(digests | {base}) == len(others) + 1


def coefficients_with(value):
    array = np.zeros((6, 2, 4), np.int8)
    array[3, 1, 2] = value
    return array


def a_requantizer(channels):
    return Requantizer(np.ones(channels, np.int32), np.zeros(channels, np.int32), 0, 0, 255)


BAD = {
    "no image": (
        fields(activations=np.zeros((0, 4, 5, 5), np.int8)),
        "conv: activations hold no image",
    ),
    "activation type": (
        fields(activations=np.zeros((2, 4, 5, 5), np.int16)),
        "conv: activations is int16, wanted uint8 or int8",
    ),
    "activation shape": (
        fields(activations=np.zeros((2, 4, 5, 6), np.int8)),
        r"conv: activations has shape \(2, 4, 5, 6\), wanted \(2, 4, 5, 5\)",
    ),
    "no batch axis": (
        fields(activations=np.zeros((4, 5, 5), np.int8)),
        r"activations has shape \(4, 5, 5\), wanted \(1, 4, 5, 5\)",
    ),
    "order": (
        fields(activations=np.zeros((5, 5, 4, 2), np.int8).T),
        "conv: activations is not C-contiguous",
    ),
    "both": (
        fields(weights=np.zeros((6, 2, 3, 3), np.int8)),
        "conv: wanted either weights or coefficients",
    ),
    "neither": (bypass(weights=None), "conv: wanted either weights or coefficients"),
    "basis beside weights": (
        bypass(basis=np.zeros((1, 3, 3), np.int8)),
        "conv: a basis stands beside weights",
    ),
    "weight shape": (
        bypass(weights=np.zeros((6, 4, 3, 3), np.int8)),
        r"conv: weights has shape \(6, 4, 3, 3\), wanted \(6, 2, 3, 3\)",
    ),
    "weight type": (
        bypass(weights=np.zeros((6, 2, 3, 3), np.uint8)),
        "conv: weights is uint8, wanted int8",
    ),
    "no basis": (fields(basis=None), "conv: coefficients of a 3x3 layer need a basis"),
    "large basis": (
        fields(basis=np.zeros((10, 3, 3), np.int8)),
        r"conv: basis holds M = 10 kernels, wanted 1\.\.9",
    ),
    "basis shape": (
        fields(basis=np.zeros((4, 3, 2), np.int8)),
        r"conv: basis has shape \(4, 3, 2\), wanted \(4, 3, 3\)",
    ),
    "basis type": (fields(basis=np.zeros((4, 3, 3))), "conv: basis is float64, wanted int8"),
    "basis size": (
        fields(basis=np.zeros((5, 3, 3), np.int8)),
        "conv: coefficients hold 4 basis kernels, the basis has 5",
    ),
    "coefficient shape": (
        fields(coefficients=np.zeros((6, 4, 4), np.int8)),
        r"conv: coefficients has shape \(6, 4, 4\), wanted \(6, 2, 4\)",
    ),
    "coefficient type": (
        fields(coefficients=np.zeros((6, 2, 4), np.int32)),
        "conv: coefficients is int32, wanted int8",
    ),
    "not ternary": (
        fields(coefficients=coefficients_with(2)),
        r"conv: coefficients at \[3, 1, 2\] is 2, wanted -1, 0 or 1",
    ),
    "lowest": (
        fields(coefficients=coefficients_with(-128)),
        r"conv: coefficients at \[3, 1, 2\] is -128, wanted -1, 0 or 1",
    ),
    "alpha type": (
        fields(alpha=ALPHA.astype(np.int32)),
        "conv: alpha is int32, wanted uint8",
    ),
    "alpha shape": (
        fields(alpha=ALPHA[:, :3].copy()),
        r"conv: alpha has shape \(6, 3\), wanted \(6, 4\)",
    ),
    "alpha zero": (
        fields(alpha=ALPHA - np.uint8(1)),
        r"conv: alpha at \[0, 0\] is 0, wanted 1\.\.255",
    ),
    "both scales": (
        fields(alpha=ALPHA, two_sided=(1, 1)),
        "conv: wanted either alpha or two_sided",
    ),
    "zero scale": (
        fields(two_sided=(1, 0)),
        r"conv: two_sided is \(1, 0\), wanted two integers in 1\.\.255",
    ),
    "large scale": (fields(two_sided=(256, 1)), r"two_sided is \(256, 1\), wanted"),
    "one scale": (fields(two_sided=(1,)), r"two_sided is \(1,\), wanted"),
    "no integer": (fields(two_sided=(1, 2.0)), r"two_sided is \(1, 2\.0\), wanted"),
    "scales beside weights": (
        bypass(two_sided=(1, 2)),
        "conv: scales of coefficients stand beside weights",
    ),
    "alpha beside weights": (
        bypass(alpha=ALPHA),
        "conv: scales of coefficients stand beside weights",
    ),
    "requantizer": (
        fields(requantizer=a_requantizer(5)),
        "conv: the requantizer has 5 channels, the layer has K = 6",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tensors_are_named(case):
    arguments, message = BAD[case]
    with pytest.raises(WorkloadError, match=message):
        LayerTensors(**arguments)
