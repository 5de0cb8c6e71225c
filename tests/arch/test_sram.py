"""SRAM: the next larger size and width of the table, and nothing beyond it."""

from fractions import Fraction

import pytest

from arch.errors import SpecError
from arch.sram import sram


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ((1, 1), (512, 2)),
        ((512, 2), (512, 2)),
        ((513, 2), (1024, 2)),
        ((512, 3), (512, 4)),
        ((512, 17), (1024, 32)),
        ((1024, 33), (2048, 64)),
        ((1_048_576, 64), (1_048_576, 64)),
    ],
)
def test_the_next_larger_size_and_width_is_taken(asked, found):
    chosen = sram(*asked)
    assert (chosen.size_bytes, chosen.access_bytes) == found


@pytest.mark.parametrize("asked", [(1_048_577, 4), (1024, 65)])
def test_beyond_the_table_is_refused(asked):
    message = rf"no SRAM of {asked[0]} B with a {asked[1]} B port at 45 nm"
    with pytest.raises(SpecError, match=message):
        sram(*asked)


def test_a_row_is_read_exactly():
    bank = sram(512, 2)
    assert (bank.read_pj, bank.write_pj) == (Fraction("0.6459"), Fraction("0.9371"))
    assert bank.leak_mw == Fraction("0.601832")
    assert bank.area_mm2 == Fraction("0.00185776")
