"""Numbers of any kind: decoded exactly, in the smallest of five forms; damage is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.formats import entropy, numbers
from workloads.formats.bits import pack_number


def pruned(seed, size, density, limit=127):
    """Integers of which about that share are not 0."""
    random = np.random.default_rng(seed)
    values = random.integers(1, limit + 1, size) * random.choice([-1, 1], size)
    return values * (random.random(size) < density)


VALUES = st.builds(
    pruned,
    st.integers(0, 999),
    st.sampled_from((0, 1, 2, 255, 256, 300, 2000)),
    st.sampled_from((0.0, 0.003, 0.05, 0.2, 0.6, 1.0)),
    st.sampled_from((1, 7, 127, 2**31 - 1)),
)


@given(values=VALUES, before=st.integers(0, 3))
def test_decode_undoes_encode_wherever_it_begins(values, before):
    payload = np.concatenate([np.zeros(before, np.uint8), numbers.encode(values)])
    decoded, place = numbers.decode(payload, before, values.size)
    assert place == payload.size
    np.testing.assert_array_equal(decoded, values)


@pytest.mark.parametrize("low", [-(2**31), -129, -128])
def test_the_lowest_numbers_survive_among_zeros(low):
    values = np.zeros(4096, np.int64)
    values[[5, 900]] = low, 2**31 - 1 if low == -(2**31) else 1
    decoded, _ = numbers.decode(numbers.encode(values), 0, 4096)
    np.testing.assert_array_equal(decoded, values)


@pytest.mark.parametrize("density", [0.02, 0.1, 0.2, 0.4])
def test_pruned_weights_cost_their_entropy_and_one_table(density):
    values = pruned(3, 64 * 64 * 9, density)
    payload = numbers.encode(values)
    assert payload[0] == numbers.SPARSE
    share = np.count_nonzero(values) / values.size
    mask = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    bound = (values.size * mask + np.count_nonzero(values) * np.log2(2 * 127)) / 8
    assert 0.97 * bound < payload.size < 1.01 * bound + 160
    bitmap = -(-values.size // 8) + np.count_nonzero(values)
    assert payload.size < bitmap


def test_numbers_without_zeros_are_not_called_sparse():
    assert numbers.encode(pruned(0, 4096, 1.0))[0] != numbers.SPARSE


def test_numbers_that_are_all_zero_take_two_bytes():
    assert numbers.encode(np.zeros(5000, np.int8)).tolist() == [0, 0]


@given(values=VALUES, seed=st.integers(0, 99))
def test_damage_is_refused_or_gives_other_numbers_never_a_crash(values, seed):
    random = np.random.default_rng(seed)
    payload = numbers.encode(values).copy()
    payload[random.integers(payload.size)] ^= np.uint8(1 << random.integers(8))
    try:
        decoded, _ = numbers.decode(payload, 0, values.size)
    except WorkloadError:
        return
    assert decoded.shape == (values.size,)


def test_sparse_numbers_that_are_none_are_refused():
    payload = numbers.encode(pruned(1, 600, 0.1))
    assert payload[0] == numbers.SPARSE
    with pytest.raises(WorkloadError, match=r"payload has 5 bytes left for \d+ of signs"):
        numbers.decode(payload[:7], 0, 600)
    signs = payload[2 : 2 + int(payload[1])]
    least = numbers.encode(np.full(np.count_nonzero(pruned(1, 600, 0.1)), -numbers.MIDDLE))
    zero = np.concatenate([payload[:2], signs, least])
    with pytest.raises(WorkloadError, match="payload has a non-zero of magnitude 0"):
        numbers.decode(zero, 0, 600)


def shared(seed, size, values):
    random = np.random.default_rng(seed)
    return random.choice(np.array(values), size)


def test_few_values_far_apart_cost_their_entropy_and_a_list():
    spread = [-127, -60, -21, -3, 0, 9, 40, 111]
    values = shared(2, 30_000, spread)
    payload = numbers.encode(values)
    assert payload[0] == numbers.LISTED
    assert 30_000 * 3 / 8 < payload.size < 30_000 * 3 / 8 * 1.001 + 3 * len(spread) + 20
    decoded, place = numbers.decode(payload, 0, values.size)
    assert place == payload.size
    np.testing.assert_array_equal(decoded, values)


def test_values_side_by_side_are_not_listed():
    assert numbers.encode(shared(0, 4096, range(-8, 8)))[0] != numbers.LISTED


LISTS = st.builds(
    shared,
    st.integers(0, 99),
    st.sampled_from((256, 700)),
    st.sampled_from(([-127, 0, 127], [5, 900], [-(2**31), 2**31 - 1], [0, 40, 41, 99], [7])),
)


@given(values=LISTS, seed=st.integers(0, 99))
def test_lists_survive_and_damage_never_crashes(values, seed):
    random = np.random.default_rng(seed)
    payload = numbers.encode(values).copy()
    np.testing.assert_array_equal(numbers.decode(payload, 0, values.size)[0], values)
    payload[random.integers(payload.size)] ^= np.uint8(1 << random.integers(8))
    try:
        decoded, _ = numbers.decode(payload, 0, values.size)
    except WorkloadError:
        return
    assert decoded.shape == (values.size,)


def test_lists_that_are_none_are_refused():
    payload = numbers.encode(shared(0, 600, [-100, 0, 100]))
    assert payload[0] == numbers.LISTED
    broken = payload.copy()
    broken[1] = 0
    with pytest.raises(WorkloadError, match="payload lists 0 values of 600 numbers"):
        numbers.decode(broken, 0, 600)
    head = payload[: 2 + numbers.encode(np.array([-100, 0, 100])).size]
    beyond = np.concatenate([head, numbers.encode(np.arange(600) % 5)])
    with pytest.raises(WorkloadError, match=r"payload has places 0\.\.4 in a list of 3 values"):
        numbers.decode(beyond, 0, 600)


def listed(values, places):
    return numbers._listed(np.array(values, np.int64), np.array(places, np.int64))


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (listed([], [0, 0]), "lists 0 values of 2 numbers"),
        (listed([4, 5, 6], [0, 1]), "lists 3 values of 2 numbers"),
        (listed([4, 5], [0, 2]), r"places 0\.\.2 in a list of 2 values"),
        (listed([4, 5], [-1, 1]), r"places -1\.\.1 in a list of 2 values"),
        (np.array([numbers.SPARSE, 9, 0, 0], np.uint8), "has 2 bytes left for 9 of signs"),
    ],
)
def test_lists_and_signs_that_do_not_fit_are_refused(payload, message):
    with pytest.raises(WorkloadError, match=message):
        numbers.decode(payload, 0, 2)


def test_a_list_whose_values_are_all_used_is_read():
    assert numbers.decode(listed([4, 5], [1, 0]), 0, 2)[0].tolist() == [5, 4]


@pytest.mark.parametrize("magnitude", [0, 1])
def test_a_non_zero_of_magnitude_0_is_refused(magnitude):
    signs = entropy.encode(np.array([[[1], [0]]], np.int8))
    sizes = np.array([magnitude - numbers.MIDDLE])
    head = np.array([numbers.SPARSE], np.uint8)
    payload = np.concatenate([head, pack_number(signs.size), signs, numbers._plain(sizes)])
    if magnitude:
        assert numbers.decode(payload, 0, 2)[0].tolist() == [1, 0]
        return
    with pytest.raises(WorkloadError, match="has a non-zero of magnitude 0"):
        numbers.decode(payload, 0, 2)
