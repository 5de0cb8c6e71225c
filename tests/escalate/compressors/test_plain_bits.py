"""Numbers of known widths and tables of counts: equal to a plain writer, back as they were."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalate.compressors import counts, plain_bits
from escalate.errors import StreamError
from workloads.errors import WorkloadError
from workloads.formats import numbers

PAIRS = st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 40)), max_size=30)


@given(pairs=PAIRS)
def test_bits_stand_one_behind_the_other(pairs):
    values = np.array([value % 2**width for value, width in pairs], np.int64)
    widths = np.array([width for _, width in pairs], np.int64)
    payload = plain_bits.pack(values, widths)
    text = "".join(f"{v:0{w}b}"[::-1] for v, w in zip(values, widths, strict=True) if w)
    text += "0" * (-len(text) % 8)
    wanted = [int(text[at : at + 8][::-1], 2) for at in range(0, len(text), 8)]
    assert payload.tolist() == wanted
    shifted = np.concatenate([np.zeros(3, np.uint8), payload, np.full(2, 255, np.uint8)])
    found, place = plain_bits.unpack(shifted, 3, widths)
    np.testing.assert_array_equal(found, values)
    assert place == 3 + payload.size


def test_the_shape_is_that_of_the_widths():
    widths = np.array([[3, 0], [1, 2]])
    found, _ = plain_bits.unpack(plain_bits.pack(np.array([[5, 9], [1, 2]]), widths), 0, widths)
    assert found.tolist() == [[5, 0], [1, 2]]


def test_payloads_that_end_too_early():
    with pytest.raises(WorkloadError, match="1 bytes left for 9 bits"):
        plain_bits.unpack(np.zeros(1, np.uint8), 0, np.array([9]))
    with pytest.raises(WorkloadError, match="padding bit"):
        plain_bits.unpack(np.full(1, 255, np.uint8), 0, np.array([4]))


@given(some=st.lists(st.integers(0, 2**40 - 1), max_size=30), repeat=st.integers(1, 20))
def test_counts_come_back(some, repeat):
    table = np.array(some * repeat, np.int64)
    payload = counts.encode(table)
    found, place = counts.decode(np.concatenate([payload, payload]), 0, table.size)
    np.testing.assert_array_equal(found, table)
    assert place == payload.size


def test_tables_are_small():
    """Smaller than groups of seven bits, and than integers of one width."""
    random = np.random.default_rng(0)
    table = np.bincount((random.exponential(size=100_000) * 100).astype(int), minlength=1500)
    groups = sum(max(1, -(-int(count).bit_length() // 7)) for count in table)
    size = counts.encode(table).size
    assert size < 0.9 * groups
    assert size < 0.9 * numbers.encode(table).size


def test_counts_that_cannot_be():
    payload = numbers.encode(np.array([50, 3]))
    with pytest.raises(StreamError, match=r"counts: of 3\.\.50 binary digits"):
        counts.decode(payload, 0, 2)
