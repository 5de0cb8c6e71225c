"""Does the requantizer round half up and clamp exactly, and refuse what it cannot hold?"""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.requantize import Requantizer, multiply_shift, storage_dtype

int32 = st.integers(-(2**31), 2**31 - 1)


@given(value=int32, multiplier=int32, shift=st.integers(0, 62))
def test_multiply_shift_is_the_fraction_rounded_half_up(value, multiplier, shift):
    found = multiply_shift(np.array([value]), multiplier, shift)
    assert found.dtype == np.int64
    assert found[0] == floor(Fraction(value * multiplier, 2**shift) + Fraction(1, 2))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.int32])
def test_narrow_values_do_not_wrap(dtype):
    highest = np.array([np.iinfo(dtype).max], dtype)
    assert multiply_shift(highest, 2**31 - 1, 0)[0] == int(highest[0]) * (2**31 - 1)


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 255, np.uint8),
        (0, 0, np.uint8),
        (0, 256, np.int16),
        (-1, 127, np.int8),
        (-128, 0, np.int8),
        (-1, 128, np.int16),
        (-129, 0, np.int16),
        (-(2**15), 2**15 - 1, np.int16),
    ],
)
def test_the_smallest_storage_type_is_taken(low, high, dtype):
    assert storage_dtype(low, high) is dtype


@pytest.mark.parametrize(("low", "high"), [(0, 2**15), (-(2**15) - 1, 0), (1, 0)])
def test_ranges_beyond_16_bits_are_refused(low, high):
    with pytest.raises(WorkloadError, match=rf"range {low}\.\.{high} does not fit 16 bits"):
        storage_dtype(low, high)


def requantizer(multiplier=(1, -2), bias=(0, 5), shift=1, low=-128, high=127):
    return Requantizer(np.array(multiplier, np.int32), np.array(bias, np.int32), shift, low, high)


def test_each_channel_has_its_own_multiplier_and_bias():
    psums = np.array([[[[3, -3]], [[10, -10]]]], np.int32)
    assert requantizer().apply(psums).tolist() == [[[[2, -1]], [[-15, 5]]]]


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_results_are_clamped_to_the_bounds(dtype):
    psums = np.array([-1000, -4, -3, 4, 5, 1000], dtype).reshape(1, 1, 1, 6)
    found = requantizer([1], [0], 0, -3, 4).apply(psums)
    assert found.dtype == np.int8
    assert found.ravel().tolist() == [-3, -3, -3, 4, 4, 4]


def test_sums_up_to_32_bits_are_taken():
    psums = np.array([2**31 - 2, -(2**31)], np.int64).reshape(1, 1, 1, 2)
    assert requantizer([2**31 - 1], [0], 62, -5, 5).apply(psums).ravel().tolist() == [1, -1]
    with pytest.raises(WorkloadError, match=r"psum \+ bias leaves the 32-bit range"):
        requantizer([1], [2], 0).apply(psums)
    with pytest.raises(WorkloadError, match=r"psum \+ bias leaves the 32-bit range"):
        requantizer([1], [-1], 0).apply(psums)


def test_arrays_are_made_read_only():
    rule = requantizer()
    with pytest.raises(ValueError, match="read-only"):
        rule.bias[0] = 1


@pytest.mark.parametrize("field", ["multiplier", "bias"])
@pytest.mark.parametrize("array", [np.zeros(2), np.zeros((1, 2), np.int32), np.zeros(2, np.int64)])
def test_wrong_arrays_are_named(field, array):
    arrays = {"multiplier": np.zeros(2, np.int32), "bias": np.zeros(2, np.int32)} | {field: array}
    with pytest.raises(WorkloadError, match=rf"requantizer: {field} is .*, wanted int32 of shape"):
        Requantizer(**arrays, shift=0, low=0, high=1)


def test_lengths_must_agree():
    with pytest.raises(WorkloadError, match="requantizer: 2 multipliers but 3 biases"):
        requantizer(bias=(0, 0, 0))


@pytest.mark.parametrize("shift", [-1, 63])
def test_shifts_beyond_int64_are_refused(shift):
    with pytest.raises(WorkloadError, match=rf"requantizer: shift is {shift}, wanted 0\.\.62"):
        requantizer(shift=shift)


def test_bounds_beyond_16_bits_are_refused():
    with pytest.raises(WorkloadError, match="does not fit 16 bits"):
        requantizer(high=2**15)
