"""Code points as bytes: back as they were, at their entropy and a table, torn ones refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalate.compressors import symbols, vbq_stream
from escalate.compressors.code_points import quantize
from escalate.compressors.priors import Gaussian
from escalate.compressors.vbq_stream import Split
from escalate.errors import DecompositionError, StreamError
from workloads.errors import WorkloadError
from workloads.formats import numbers

SLACK_BYTES = 16  # the coder's last words, lengths of parts


def chosen(seed, size, penalty, longest=10):
    random = np.random.default_rng(seed)
    mu, sigma = random.normal(size=size), np.exp(random.normal(-2, 1, size))
    return quantize(mu, sigma, Gaussian(1.0), penalty, longest).points


def back(points, longest, before=b""):
    payload = vbq_stream.encode(points, longest)
    shifted = np.concatenate([np.frombuffer(before, np.uint8), payload, payload])
    found, place = vbq_stream.decode(shifted, len(before), points.size, longest)
    assert place == len(before) + payload.size
    assert found.dtype == np.int32
    return found


@given(seed=st.integers(0, 999), size=st.integers(0, 300), longest=st.integers(0, 9))
def test_any_points_come_back(seed, size, longest):
    random = np.random.default_rng(seed)
    points = random.integers(0, (2 << longest) - 1, size) >> random.integers(0, 4, size)
    np.testing.assert_array_equal(back(points, longest, b"xyz"), points)


@pytest.mark.parametrize("penalty", [0.0, 1e-3, 0.1, 3.0, 1e3, 1e9])
@pytest.mark.parametrize("size", [1, 500, 20_000])
def test_chosen_points_come_back(penalty, size):
    points = chosen(1, size, penalty)
    np.testing.assert_array_equal(back(points, 10), points)


@pytest.mark.parametrize("penalty", [0.0, 1e-3, 0.1, 3.0, 100.0])
def test_the_size_is_the_entropy_and_a_table(penalty):
    points = chosen(2, 200_000, penalty)
    size = vbq_stream.encode(points, 10).size
    bound = symbols.entropy_bits(points) / 8
    table = numbers.encode(np.bincount(points, minlength=2047)).size
    assert bound <= size <= 1.001 * bound + table + SLACK_BYTES


def test_few_points_get_a_small_table():
    points = chosen(3, 500, 0.1)
    payload = vbq_stream.encode(points, 10)
    assert payload[0] < 10
    assert payload.size < 0.7 * numbers.encode(points).size


@pytest.mark.parametrize("k", range(5))
def test_symbol_and_plain_bits_say_the_point(k):
    split = Split(4, k)
    lengths = np.floor(np.log2(np.arange(31) + 1)).astype(int)
    np.testing.assert_array_equal(split.lengths[split.symbols], lengths)
    np.testing.assert_array_equal(split.first[split.symbols] + split.tails, np.arange(31))
    np.testing.assert_array_equal(split.spare, np.maximum(split.lengths - k, 0))
    assert (split.tails < 1 << split.spare[split.symbols]).all()
    assert set(split.symbols) == set(range(split.size))


def test_equal_points_cost_a_table_alone():
    assert vbq_stream.encode(np.zeros((300, 7), int), 10).size < 24


@pytest.mark.parametrize("points", [[-1], [7]])
def test_numbers_that_are_no_points(points):
    with pytest.raises(DecompositionError, match=r"wanted 0\.\.6"):
        vbq_stream.encode(np.array(points), 2)
    with pytest.raises(DecompositionError, match=r"longest is 16 bits, wanted 0\.\.15"):
        vbq_stream.encode(np.array(points), 16)


def test_torn_payloads_are_refused():
    points = chosen(4, 3000, 0.1)
    payload = vbq_stream.encode(points, 10)
    for place in range(0, payload.size, 7):
        with pytest.raises((StreamError, WorkloadError)):
            vbq_stream.decode(payload[:place], 0, points.size, 10)
    with pytest.raises(StreamError, match="3000 are counted in"):
        vbq_stream.decode(payload, 0, 2999, 10)
    changed = payload.copy()
    changed[0] = 11
    with pytest.raises(StreamError, match="no table where one should begin"):
        vbq_stream.decode(changed, 0, points.size, 10)


@given(place=st.integers(0, 10_000), value=st.integers(1, 255))
def test_a_changed_byte_is_refused_or_gives_points(place, value):
    points = chosen(5, 300, 0.1, 5)
    payload = vbq_stream.encode(points, 5)
    payload[place % payload.size] ^= value
    try:
        found, _ = vbq_stream.decode(payload, 0, points.size, 5)
    except (StreamError, WorkloadError):
        return
    assert found.shape == (300,)
    assert 0 <= found.min() <= found.max() <= 62
