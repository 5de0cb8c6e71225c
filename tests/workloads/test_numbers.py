"""Numbers of any kind: decoded exactly, in the smallest of five forms; damage is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.formats import blocks, numbers


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


def in_blocks(seed, shape, block, density, most=8):
    """A matrix of levels of which only some blocks hold any."""
    random = np.random.default_rng(seed)
    values = random.integers(1, most + 1, shape) * random.choice([-1, 1], shape)
    chosen = random.random([-(-size // step) for size, step in zip(shape, block, strict=True)])
    return values * blocks.spread(chosen < density, block, shape)


MATRICES = st.builds(
    in_blocks,
    st.integers(0, 99),
    st.sampled_from(((6, 50), (33, 16), (1, 300), (300, 1), (40, 40))),
    st.sampled_from(((1, 50), (33, 1), (6, 1), (4, 4), (3, 5), (1, 1), (64, 64))),
    st.sampled_from((0.1, 0.5, 1.0)),
)


@given(values=MATRICES, before=st.integers(0, 3))
def test_matrices_survive(values, before):
    payload = np.concatenate([np.zeros(before, np.uint8), numbers.encode(values)])
    assert payload.size <= before + numbers.encode(values.ravel()).size
    decoded, place = numbers.decode(payload, before, values.size)
    assert place == payload.size
    np.testing.assert_array_equal(decoded, values.ravel())


@pytest.mark.parametrize("block", [(1, 576), (64, 1), (16, 16), (8, 64)])
def test_blocks_cost_a_bit_each_and_what_they_hold(block):
    values = in_blocks(1, (64, 576), block, 0.4)
    payload = numbers.encode(values.reshape(64, 64, 3, 3))
    assert payload[0] == numbers.BLOCKS
    left = np.count_nonzero(values) * 4 / 8  # sixteen levels
    assert left < payload.size < 1.01 * left + 64 * 576 / (block[0] * block[1]) / 8 + 40
    assert payload.size < 0.85 * numbers.encode(values.ravel()).size


def test_zeros_here_and_there_are_in_no_blocks():
    values = in_blocks(0, (64, 576), (1, 1), 0.4)
    assert numbers.encode(values)[0] == numbers.SPARSE


def plain_best(filled, cell_bits):
    """Every size of block, counted cell by cell."""
    rows, columns = filled.shape
    bits = {}
    for high in [*(2**n for n in range(rows) if 2**n < rows), rows]:
        for wide in [*(2**n for n in range(columns) if 2**n < columns), columns]:
            bits[high, wide] = 0
            for i in range(0, rows, high):
                for j in range(0, columns, wide):
                    part = filled[i : i + high, j : j + wide]
                    bits[high, wide] += 1 + cell_bits * part.size * bool(part.any())
    return min(bits, key=bits.__getitem__)


@given(
    st.integers(0, 999),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from(((1, 1), (2, 3), (9, 1), (1, 9), (4, 2))),
    st.integers(1, 8),
)
def test_the_best_block_is_that_of_plain_loops(seed, rows, columns, block, cell_bits):
    filled = in_blocks(seed, (rows, columns), block, 0.4) != 0
    found, chosen = blocks.best_blocks(filled, cell_bits)
    assert found == plain_best(filled, cell_bits)
    inside = blocks.spread(chosen, found, filled.shape)
    assert not (filled & ~inside).any()


@given(values=MATRICES, seed=st.integers(0, 99))
def test_damaged_matrices_never_crash(values, seed):
    random = np.random.default_rng(seed)
    payload = numbers.encode(values).copy()
    payload[random.integers(min(20, payload.size))] ^= np.uint8(1 << random.integers(8))
    try:
        decoded, _ = numbers.decode(payload, 0, values.size)
    except WorkloadError:
        return
    assert decoded.shape == (values.size,)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ((7, 1, 7), "payload has a matrix of 7 columns of 600 numbers"),
        ((0, 1, 1), "payload has a matrix of 0 columns of 600 numbers"),
        ((20, 31, 1), "payload has blocks of 31 x 1 in 30 x 20 numbers"),
        ((20, 30, 0), "payload has blocks of 30 x 0 in 30 x 20 numbers"),
        ((20, 30, 1), "payload has 0 bytes left for 20 bits"),
    ],
)
def test_matrices_that_are_none_are_refused(head, message):
    payload = np.array([numbers.BLOCKS, *head], np.uint8)
    with pytest.raises(WorkloadError, match=message):
        numbers.decode(payload, 0, 600)
