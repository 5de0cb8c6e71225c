"""Storage formats: decode undoes encode exactly, sizes are the stated ones, damage is refused."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from escalate import formats
from escalate.errors import CheckpointError, DecompositionError

TERNARY = hnp.arrays(
    np.int8,
    hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9),
    elements=st.integers(-1, 1),
)
NAMES = sorted(formats.FORMATS)


@pytest.mark.parametrize("name", NAMES)
@given(coefficients=TERNARY)
def test_decode_undoes_encode(name, coefficients):
    form = formats.get(name)
    payload = form.encode(coefficients)
    decoded = form.decode(payload, coefficients.shape)
    assert payload.dtype == np.uint8
    assert payload.ndim == 1
    assert decoded.dtype == np.int8
    np.testing.assert_array_equal(decoded, coefficients)


@given(coefficients=TERNARY)
def test_sizes_are_the_stated_ones(coefficients):
    nonzeros = np.count_nonzero(coefficients)
    bitmap, two_bit = (formats.get(n).encode(coefficients) for n in ("bitmap", "two_bit"))
    assert bitmap.size == -(-(coefficients.size + nonzeros) // 8)
    assert two_bit.size == -(-coefficients.size // 4)


@pytest.mark.parametrize("name", NAMES)
def test_a_transposed_view_encodes_like_its_copy(name):
    form = formats.get(name)
    view = np.arange(24, dtype=np.int8).reshape(2, 3, 4).T % 3 - 1
    np.testing.assert_array_equal(form.encode(view), form.encode(np.ascontiguousarray(view)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", [-1, 1])
def test_a_payload_of_wrong_length_is_refused(name, change):
    form = formats.get(name)
    payload = form.encode(np.ones((4, 4, 4), np.int8))
    torn = payload[:change] if change < 0 else np.append(payload, np.uint8(0))
    with pytest.raises(CheckpointError, match=rf"payload holds {torn.size} bytes.*\(4, 4, 4\)"):
        form.decode(torn, (4, 4, 4))


def test_a_bitmap_shorter_than_its_mask_is_refused():
    with pytest.raises(CheckpointError, match="payload holds 0 bytes"):
        formats.get("bitmap").decode(np.zeros(0, np.uint8), (4, 4, 4))


@pytest.mark.parametrize("name", NAMES)
def test_a_set_padding_bit_is_refused(name):
    form = formats.get(name)
    payload = form.encode(np.ones((1, 1, 3), np.int8)) | np.uint8(0x80)
    if name == "two_bit":
        payload |= np.uint8(0x40)
    with pytest.raises(CheckpointError, match="padding bit"):
        form.decode(payload, (1, 1, 3))


def test_the_code_without_a_value_is_refused():
    with pytest.raises(CheckpointError, match="code 10 at coefficient 1"):
        formats.get("two_bit").decode(np.array([0b1000], np.uint8), (1, 1, 3))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("payload", [np.zeros(1, np.int8), np.zeros((1, 1), np.uint8)])
def test_a_payload_that_is_no_byte_vector_is_refused(name, payload):
    with pytest.raises(CheckpointError, match="wanted a uint8 vector"):
        formats.get(name).decode(payload, (1, 1, 3))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_ternary_is_refused(name):
    form = formats.get(name)
    with pytest.raises(DecompositionError, match=r"at \[0, 0, 1\] is 2"):
        form.encode(np.array([[[0, 2]]], np.int8))
    with pytest.raises(DecompositionError, match="float32, wanted int8"):
        form.encode(np.zeros((1, 1, 1), np.float32))


def test_an_unknown_format_is_refused():
    with pytest.raises(CheckpointError, match="'zip' is unknown"):
        formats.get("zip")


def test_the_formats_are_light():
    program = (
        "import sys; from escalate import formats; formats.get('bitmap'); formats.get('two_bit');"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
