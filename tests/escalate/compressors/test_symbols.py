"""Symbols under tables: back as they were, near their entropy, what is torn is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalate.compressors import symbols
from escalate.errors import StreamError

SLACK_BITS = 64  # of the coder's last words


@given(
    seed=st.integers(0, 999),
    tables=st.lists(
        st.lists(st.sampled_from((0, 0, 1, 3, 1000)), min_size=1, max_size=9).filter(any),
        max_size=4,
    ),
    size=st.integers(0, 200),
)
def test_decoding_gives_the_same(seed, tables, size):
    random = np.random.default_rng(seed)
    groups = []
    for table in tables:
        counts = np.array(table)
        groups.append((random.choice(np.flatnonzero(counts), size), counts))
    payload = symbols.encode(groups)
    found = symbols.decode(payload, [(size, counts) for _, counts in groups])
    for (wanted, _), got in zip(groups, found, strict=True):
        np.testing.assert_array_equal(wanted, got)


def test_the_size_is_the_entropy():
    random = np.random.default_rng(0)
    for shares in ([0.7, 0.2, 0.1], [0.99, 0.01], np.full(500, 1 / 500)):
        some = random.choice(len(shares), 100_000, p=shares)
        payload = symbols.encode([(some, np.bincount(some))])
        bound = symbols.entropy_bits(some)
        assert bound <= 8 * payload.size <= 1.001 * bound + SLACK_BITS


def test_what_always_comes_costs_nothing():
    assert symbols.encode([(np.full(1000, 4), np.array([0, 0, 0, 0, 9]))]).size == 0
    assert symbols.encode([]).size == 0
    assert symbols.entropy_bits(np.full(9, 3)) == 0


@pytest.mark.parametrize("some", [[-1], [3], [1]])
def test_a_symbol_that_no_table_has(some):
    with pytest.raises(StreamError, match="one is not in its table"):
        symbols.encode([(np.array(some), np.array([1, 0, 1]))])


def test_payloads_that_are_torn():
    counts = np.array([5, 3, 9])
    some = np.random.default_rng(0).choice(3, 200)
    payload = symbols.encode([(some, counts)])
    with pytest.raises(StreamError, match="no whole words"):
        symbols.decode(payload[:-1], [(200, counts)])
    with pytest.raises(StreamError, match="longer than its symbols"):
        symbols.decode(payload, [(20, counts)])
    with pytest.raises(StreamError, match="200 of a table that counts none"):
        symbols.decode(payload, [(200, np.zeros(3, int))])
    wrong = np.full(payload.size, 255, np.uint8)
    with pytest.raises(StreamError, match="torn or another's"):
        symbols.decode(wrong, [(200, counts)])
