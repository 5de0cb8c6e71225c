"""Storage formats: decode undoes encode exactly, sizes are the stated ones, damage is refused."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from workloads import formats
from workloads.errors import WorkloadError
from workloads.formats import entropy

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
    with pytest.raises(WorkloadError, match=r"payload (holds|has) \d+ bytes"):
        form.decode(torn, (4, 4, 4))


def test_a_bitmap_shorter_than_its_mask_is_refused():
    with pytest.raises(WorkloadError, match="payload holds 0 bytes"):
        formats.get("bitmap").decode(np.zeros(0, np.uint8), (4, 4, 4))


@pytest.mark.parametrize("name", NAMES)
def test_a_set_padding_bit_is_refused(name):
    form = formats.get(name)
    payload = form.encode(np.ones((1, 1, 3), np.int8)).copy()
    payload[-1] |= np.uint8(0xC0)
    with pytest.raises(WorkloadError, match="padding bit"):
        form.decode(payload, (1, 1, 3))


def test_the_code_without_a_value_is_refused():
    with pytest.raises(WorkloadError, match="code 10 at coefficient 1"):
        formats.get("two_bit").decode(np.array([0b1000], np.uint8), (1, 1, 3))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("payload", [np.zeros(1, np.int8), np.zeros((1, 1), np.uint8)])
def test_a_payload_that_is_no_byte_vector_is_refused(name, payload):
    with pytest.raises(WorkloadError, match="wanted a uint8 vector"):
        formats.get(name).decode(payload, (1, 1, 3))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_ternary_is_refused(name):
    form = formats.get(name)
    with pytest.raises(WorkloadError, match=r"at \[0, 0, 1\] is 2"):
        form.encode(np.array([[[0, 2]]], np.int8))
    with pytest.raises(WorkloadError, match="float32, wanted int8"):
        form.encode(np.zeros((1, 1, 1), np.float32))


SPARSE = st.builds(
    lambda seed, shape, density: sparse(seed, shape, density),
    st.integers(0, 999),
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9)),
    st.sampled_from((0.0, 0.001, 0.01, 0.1, 0.5, 1.0)),
)


def sparse(seed, shape, density):
    random = np.random.default_rng(seed)
    signs = random.choice(np.array([-1, 1], np.int8), shape)
    return signs * (random.random(shape) < density)


@pytest.mark.parametrize("name", NAMES)
@given(coefficients=SPARSE)
def test_decode_undoes_encode_at_every_density(name, coefficients):
    form = formats.get(name)
    decoded = form.decode(form.encode(coefficients), coefficients.shape)
    np.testing.assert_array_equal(decoded, coefficients)


@given(coefficients=SPARSE, seed=st.integers(0, 99))
@pytest.mark.parametrize("name", NAMES)
def test_damage_is_refused_or_gives_another_tensor_never_a_crash(name, coefficients, seed):
    form, random = formats.get(name), np.random.default_rng(seed)
    payload = form.encode(coefficients).copy()
    if payload.size:
        payload[random.integers(payload.size)] ^= np.uint8(1 << random.integers(8))
    try:
        decoded = form.decode(payload, coefficients.shape)
    except WorkloadError:
        return
    assert decoded.shape == coefficients.shape
    assert np.isin(decoded, (-1, 0, 1)).all()


@pytest.mark.parametrize("density", [0.02, 0.1, 0.3, 0.6])
def test_the_entropy_code_is_close_to_its_bound(density):
    coefficients = sparse(5, (128, 128, 6), density)
    payload = formats.get("entropy").encode(coefficients)
    bound = entropy.size_bits(coefficients) / 8
    assert bound <= payload.size < 1.001 * bound + 6 * 3 + 8


def test_runs_longer_than_the_largest_gap_are_split():
    places = [0, 15, 31, 47, 300, 1000]
    coefficients = np.zeros((1, 1001, 1), np.int8)
    coefficients[0, places, 0] = 1, -1, 1, 1, -1, 1
    form = formats.get("run_length")
    np.testing.assert_array_equal(
        form.decode(form.encode(coefficients), (1, 1001, 1)), coefficients
    )


def test_runs_take_the_width_of_gap_that_costs_less():
    """Gaps of 1 take 4 bits; gaps of 100 take 8 instead of seven times 4."""
    for step, width in ((2, 4), (101, 8)):
        coefficients = np.zeros((1, 64 * step, 1), np.int8)
        coefficients[0, ::step, 0] = 1
        payload = formats.get("run_length").encode(coefficients)
        assert payload[0] == width
        assert payload.size == 1 + 1 + 64 * width // 8 + 64 // 8


@pytest.mark.parametrize(("used", "exponent"), [(64, 3), (1, 8)])
def test_blocks_have_the_length_that_costs_least(used, exponent):
    """Many full blocks of 8 ask for short blocks; one coefficient of 2^16 for the longest."""
    flat = np.zeros(1 << 16 if used == 1 else 1 << 10, np.int8)
    for block in range(used):
        flat[16 * block : 16 * block + (1 if used == 1 else 8)] = 1
    payload = formats.get("two_level").encode(flat.reshape(1, -1, 1))
    assert payload[0] == exponent
    size = 1 << exponent
    mask = flat.size // size + used * size
    assert payload.size == 1 + -(-(mask + np.count_nonzero(flat)) // 8)


@pytest.mark.parametrize("value", [0, 1])
def test_words_behind_masks_that_need_none_are_refused(value):
    coefficients = np.full((8, 8, 2), value, np.int8)
    form = formats.get("entropy")
    payload = form.encode(coefficients)
    head = payload.size - np.count_nonzero(coefficients) // 8
    word = np.array([0, 0, 0, 1], np.uint8)
    with pytest.raises(WorkloadError, match="holds more than its masks need"):
        form.decode(np.concatenate([payload[:head], word, payload[head:]]), coefficients.shape)


def test_the_best_format_is_the_smallest():
    for density in (0.0, 0.01, 0.2, 0.9):
        coefficients = sparse(1, (32, 32, 6), density)
        name, payload = formats.encode(coefficients)
        sizes = {each: formats.get(each).encode(coefficients).size for each in formats.FORMATS}
        assert payload.size == min(sizes.values()) == sizes[name]
    assert formats.encode(coefficients, "two_bit")[0] == "two_bit"


def test_an_unknown_format_is_refused():
    with pytest.raises(WorkloadError, match="'zip' is unknown"):
        formats.get("zip")


def test_the_formats_are_light():
    program = (
        "import sys; from workloads import formats; [formats.get(n) for n in formats.FORMATS];"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
