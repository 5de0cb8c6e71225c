"""Blocks of zeros: found, stored exactly, cheaper than zeros one by one; damage is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.formats import numbers
from workloads.formats.blocks import Cut, best_cut


def structured(seed, shape, what, share):
    """Integers of which whole rows, columns or runs of 16 are 0; about ``share`` are left."""
    random = np.random.default_rng(seed)
    values = random.integers(-1, 2, shape)
    rows, row = shape[0], math.prod(shape[1:])
    matrix = values.reshape(rows, row)
    if what == "rows":
        matrix[random.random(rows) >= share] = 0
    elif what == "columns":
        matrix[:, random.random(row) >= share] = 0
    else:
        for first in range(0, row, 16):
            matrix[random.random(rows) >= share, first : first + 16] = 0
    return values


WHAT = ("rows", "columns", "runs")
VALUES = st.builds(
    structured,
    st.integers(0, 99),
    st.sampled_from([(16, 16, 3, 3), (40, 24), (8, 20, 1, 1), (32, 9, 2, 3)]),
    st.sampled_from(WHAT),
    st.sampled_from((0.05, 0.3, 0.7)),
)


@given(values=VALUES, before=st.integers(0, 2))
def test_decode_undoes_encode(values, before):
    payload = np.concatenate([np.zeros(before, np.uint8), numbers.encode(values)])
    found, place = numbers.decode(payload, before, values.size)
    assert place == payload.size
    np.testing.assert_array_equal(found, values.ravel())


def plain_entropy(symbols):
    counts = np.unique(symbols, return_counts=True)[1]
    return float(sum(-c * math.log2(c / counts.sum()) for c in counts))


def plain_cuts(values):
    """Entropy of each way to cut, block by block."""
    rows, row = values.shape[0], math.prod(values.shape[1:])
    matrix = values.reshape(rows, row)
    for lines, across in ((matrix, False), (matrix.T, True)):
        for size in range(2, lines.shape[1] + 1):
            cut = [line[i : i + size] for line in lines for i in range(0, lines.shape[1], size)]
            alive = [block.any() for block in cut]
            left = [n for block, any_ in zip(cut, alive, strict=True) if any_ for n in block]
            yield (lines.shape[1], size, across), plain_entropy(alive) + plain_entropy(left)


@given(values=VALUES)
def test_the_entropy_is_that_of_counting_block_by_block(values):
    cut, bits = best_cut(values)
    assert bits <= plain_entropy(values) + 1e-9
    if cut is None:
        assert bits == pytest.approx(plain_entropy(values))
    else:
        every = dict(plain_cuts(values))
        assert bits == pytest.approx(every[cut.length, cut.size, cut.across])


@pytest.mark.parametrize("what", WHAT)
def test_structure_is_found_and_pays(what):
    values = structured(1, (64, 64, 3, 3), what, 0.3)
    cut, bits = best_cut(values)
    payload = numbers.encode(values)
    assert payload[0] == numbers.BLOCKS
    assert cut.across == (what == "columns")
    assert bits / 8 <= payload.size <= bits / 8 * 1.02 + 40
    assert payload.size < 0.8 * plain_entropy(values) / 8


def test_numbers_without_structure_are_not_cut():
    random = np.random.default_rng(0)
    values = random.integers(-100, 100, (32, 16, 3, 3)) * (random.random((32, 16, 3, 3)) < 0.5)
    assert best_cut(values)[0] is None
    assert best_cut(np.zeros((4, 4), int)) == (None, 0.0)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [(1, 0, "lines of 0 numbers"), (2, 0, "in blocks of 0"), (1, 3, "blocks of 16")],
)
def test_damage_is_refused(place, value, message):
    values = np.zeros((64, 32), np.int64)
    values[:7] = structured(2, (7, 32), "runs", 0.5) * 3
    payload = numbers.encode(values)
    assert payload[:3].tolist() == [numbers.BLOCKS, 64, 16]
    payload[place] = value
    with pytest.raises(WorkloadError, match=message):
        numbers.decode(payload, 0, values.size)


def test_a_payload_that_ends_early_is_refused():
    payload = numbers.encode(structured(1, (64, 64, 3, 3), "rows", 0.3))
    for size in (1, 2, 4, 20, payload.size - 1):
        with pytest.raises(WorkloadError):
            numbers.decode(payload[:size], 0, 64 * 64 * 9)


def test_the_last_block_of_a_line_may_be_shorter():
    cut = Cut(5, 2, across=False)
    flat = np.array([0, 0, 0, 0, 7, 1, 0, 0, 0, 0])
    alive = cut.alive(flat)
    assert alive.tolist() == [[False, False, True], [True, False, False]]
    inside = cut.lines(flat)[cut.inside(alive)]
    assert inside.tolist() == [7, 1, 0]
    np.testing.assert_array_equal(cut.scatter(inside, alive), flat)
