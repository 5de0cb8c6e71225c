"""Decomposition: the best approximation of its rank, and the same convolution in both orders."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from escalate.errors import DecompositionError
from escalate.ternary.basis import DecomposedLayer
from escalate.ternary.decompose import decompose

SINGLE = 1e-5  # relative rounding of float32 results, computed in float64 and stored


def random_weights(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(8, 4, 3, 3), (5, 1, 3, 3), (2, 2, 5, 5), (6, 3, 1, 7)])
def test_squared_error_is_the_sum_of_the_dropped_squared_singular_values(shape):
    weights = random_weights(*shape)
    rows = weights.reshape(shape[0] * shape[1], -1).astype(np.float64)
    energies = np.linalg.svd(rows, compute_uv=False) ** 2
    for size in range(1, rows.shape[1] + 1):
        rebuilt = decompose("layer", weights, size).reconstruct()
        error = ((weights.astype(np.float64) - rebuilt) ** 2).sum()
        assert error == pytest.approx(energies[size:].sum(), rel=1e-4, abs=SINGLE)


def test_a_full_basis_gives_the_weights_back():
    weights = random_weights(6, 5, 3, 3)
    np.testing.assert_allclose(decompose("a", weights, 9).reconstruct(), weights, atol=SINGLE)


def test_the_error_falls_as_the_basis_grows():
    weights = random_weights(6, 5, 3, 3)
    errors = [
        ((weights - decompose("a", weights, size).reconstruct()) ** 2).sum()
        for size in range(1, 10)
    ]
    assert all(after < before for before, after in itertools.pairwise(errors))


def test_basis_kernels_are_orthonormal_and_their_strongest_element_is_positive():
    basis = decompose("a", random_weights(6, 5, 3, 3), 7).basis.reshape(7, 9)
    np.testing.assert_allclose(basis @ basis.T, np.eye(7), atol=SINGLE)
    assert (basis[np.arange(7), np.abs(basis).argmax(axis=1)] > 0).all()


def test_the_sign_of_the_weights_leaves_the_basis_alone():
    weights = random_weights(6, 5, 3, 3)
    mirrored = decompose("a", -weights, 4)
    np.testing.assert_allclose(mirrored.basis, decompose("a", weights, 4).basis, atol=SINGLE)


def test_a_one_by_one_layer_has_the_number_one_as_its_basis():
    weights = random_weights(4, 3, 1, 1)
    layer = decompose("a", weights, 1)
    assert layer.basis.tolist() == [[[1.0]]]
    np.testing.assert_array_equal(layer.coefficients, weights[..., 0])


CASES = [
    {"groups": 1, "dilation": 1, "stride": 1, "padding": 1},
    {"groups": 2, "dilation": 1, "stride": 2, "padding": 0},
    {"groups": 1, "dilation": 2, "stride": 1, "padding": 2},
    {"groups": 4, "dilation": 2, "stride": 2, "padding": 1},
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("M", [1, 4, 9])
def test_coefficients_first_and_basis_first_are_the_convolution(case, M):
    K, C, groups = 8, 4, case["groups"]
    weights = random_weights(K, C // groups, 3, 3)
    layer = decompose("a", weights, M)
    inputs = torch.from_numpy(random_weights(2, C, 11, 10, seed=1)).double()
    wanted = functional.conv2d(inputs, torch.tensor(layer.reconstruct()).double(), **case)
    np.testing.assert_allclose(_combine_first(layer, inputs, case), wanted, atol=SINGLE)
    np.testing.assert_allclose(_convolve_first(layer, inputs, case), wanted, atol=SINGLE)


def _mixing(layer, groups):
    """Coefficients as (groups, K/groups, C/groups, M)."""
    K, channels, M = layer.coefficients.shape
    mixing = torch.tensor(layer.coefficients).double()
    return mixing.reshape(groups, K // groups, channels, M)


def _combine_first(layer, inputs, case):
    """Order B: V[k,m] = sum_c Ce X, then Y[k] = sum_m V[k,m] convolved with B[m]."""
    groups, M = case["groups"], layer.M
    split = inputs.reshape(inputs.shape[0], groups, -1, *inputs.shape[2:])
    mixed = torch.einsum("gkcm,ngchw->ngkmhw", _mixing(layer, groups), split)
    mixed = mixed.reshape(inputs.shape[0], -1, *inputs.shape[2:])
    K = layer.coefficients.shape[0]
    kernels = torch.tensor(layer.basis).double()[None].repeat(K, 1, 1, 1)
    assert kernels.shape[1] == M
    return functional.conv2d(mixed, kernels, **{**case, "groups": K})


def _convolve_first(layer, inputs, case):
    """Order A: Z[c,m] = X[c] convolved with B[m], then Y[k] = sum_cm Ce Z."""
    groups, channels = case["groups"], inputs.shape[1]
    kernels = torch.tensor(layer.basis).double()[:, None].repeat(channels, 1, 1, 1)
    planes = functional.conv2d(inputs, kernels, **{**case, "groups": channels})
    planes = planes.reshape(inputs.shape[0], groups, channels // groups, layer.M, *planes.shape[2:])
    summed = torch.einsum("gkcm,ngcmhw->ngkhw", _mixing(layer, groups), planes)
    return summed.reshape(inputs.shape[0], -1, *planes.shape[4:])


@pytest.mark.parametrize("size", [0, 10, -1])
def test_a_basis_size_out_of_range_is_refused(size):
    with pytest.raises(DecompositionError, match=rf"^conv3_1: M is {size}, wanted 1\.\.9$"):
        decompose("conv3_1", random_weights(4, 2, 3, 3), size)


def test_weights_of_another_type_or_shape_are_refused():
    with pytest.raises(DecompositionError, match=r"a: weights is float64 of shape \(2, 2, 3, 3\)"):
        decompose("a", np.zeros((2, 2, 3, 3)), 1)
    with pytest.raises(DecompositionError, match="4 dimensions"):
        decompose("a", np.zeros((2, 9), np.float32), 1)


def test_what_is_not_finite_is_refused_with_its_place():
    weights = random_weights(2, 2, 3, 3)
    weights[1, 0, 2, 1] = np.nan
    with pytest.raises(DecompositionError, match=r"weights at \[1, 0, 2, 1\] is not a finite"):
        decompose("a", weights, 1)


def test_basis_and_coefficients_must_agree():
    basis = np.ones((2, 3, 3), np.float32)
    with pytest.raises(DecompositionError, match="hold 3 basis kernels, the basis has 2"):
        DecomposedLayer("a", basis, np.ones((4, 2, 3), np.float32))
    with pytest.raises(DecompositionError, match=r"M = 2 kernels, wanted 1\.\.1"):
        DecomposedLayer("a", np.ones((2, 1, 1), np.float32), np.ones((4, 2, 2), np.float32))


def test_the_arrays_of_a_decomposed_layer_are_read_only():
    layer = decompose("a", random_weights(2, 2, 3, 3), 2)
    with pytest.raises(ValueError, match="read-only"):
        layer.basis[0] = 0
