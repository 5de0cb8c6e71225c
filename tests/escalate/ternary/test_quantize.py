"""Eight-bit quantization: round trips over the whole integer range, steps, effective bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalate.errors import DecompositionError
from escalate.ternary.quantize import (
    QuantizedBasis,
    dequantize,
    quantize,
    quantize_basis,
    quantize_weights,
    step_of,
)


@pytest.mark.parametrize(("low", "high"), [(-127, 127), (0, 255), (-32768, 32767)])
@given(scale=st.floats(1e-6, 1e6))
def test_every_integer_survives_the_round_trip(low, high, scale):
    integers = np.arange(low, high + 1)
    np.testing.assert_array_equal(quantize(dequantize(integers, scale), scale, low, high), integers)


@given(value=st.floats(-1e3, 1e3), scale=st.floats(1e-3, 1e3))
def test_the_error_is_at_most_half_a_step_inside_the_range(value, scale):
    code = quantize(np.array([value]), scale, -(10**7), 10**7)
    assert abs(dequantize(code, scale)[0] - value) <= scale / 2 * (1 + 1e-9)


def test_one_step_for_all_kernels_and_the_bits_that_are_left():
    kernels = np.ones((4, 3, 3))
    basis = quantize_basis(kernels, np.array([1.0, 0.25, 1 / 127, 0.0]))
    assert basis.kernels[:, 0, 0].tolist() == [127, 32, 1, 0]
    assert basis.effective_bits == (8, 7, 2, 0)
    assert basis.step == pytest.approx(1 / 127)


@given(seed=st.integers(0, 99))
def test_basis_values_are_within_half_a_step(seed):
    random = np.random.default_rng(seed)
    kernels, scales = random.normal(size=(5, 3, 3)), random.uniform(-2, 2, 5)
    basis = quantize_basis(kernels, scales)
    error = np.abs(dequantize(basis.kernels, basis.step) - kernels * scales[:, None, None])
    assert error.max() <= basis.step / 2 * (1 + 1e-9)
    assert np.abs(basis.kernels.astype(int)).max() == 127


def test_a_basis_of_zeros_keeps_a_usable_step():
    basis = quantize_basis(np.zeros((2, 3, 3)), np.ones(2))
    assert basis.step == step_of(np.zeros(1)) == 1.0
    assert not basis.kernels.any()


@given(seed=st.integers(0, 99))
def test_weights_have_a_scale_per_output_channel(seed):
    random = np.random.default_rng(seed)
    weights = random.normal(size=(4, 3, 3, 3)) * np.array([1, 10, 0, 0.01])[:, None, None, None]
    codes, scales = quantize_weights(weights)
    assert codes.dtype == np.int8
    assert np.abs(codes.astype(int)).max(axis=(1, 2, 3)).tolist() == [127, 127, 0, 127]
    assert scales[2] == 0.0
    error = np.abs(dequantize(codes, scales[:, None, None, None]) - weights)
    assert (error <= scales[:, None, None, None] / 2 * (1 + 1e-9)).all()


def test_a_basis_of_another_type_or_step_is_refused():
    with pytest.raises(DecompositionError, match=r"basis is int16 \(1, 3, 3\), wanted int8"):
        QuantizedBasis(np.zeros((1, 3, 3), np.int16), 1.0)
    with pytest.raises(DecompositionError, match=r"basis step is 0\.0"):
        QuantizedBasis(np.zeros((1, 3, 3), np.int8), 0.0)
