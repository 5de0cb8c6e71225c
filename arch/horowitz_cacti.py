"""The default energy family: Horowitz's arithmetic and CACTI's SRAM, 45 nm, 0.9 V.

Rule: specification/memory.md, MEM-21.
"""

from fractions import Fraction
from itertools import pairwise

from arch.cited import Figure, MemoryFigures, rows
from arch.sram import sram

MULTIPLY_BITS = 64  # product of the operand widths of an int8 multiply
PJ_PER_MW_AND_HZ = 10**9  # 1 mW for one cycle of 1 Hz


def _published(operation: str) -> list[tuple[int, Figure]]:
    """Widths and figures of one operation, narrow ones first."""
    return sorted(
        (
            (
                int(entry["bits"]),
                Figure(Fraction(entry["pJ"]), f"{entry['source']} ({entry['node']})"),
            )
            for entry in rows("horowitz_45nm.csv")
            if entry["operation"] == operation
        ),
        key=lambda pair: pair[0],
    )


def add(bits: int) -> Figure:
    """An integer addition of ``bits`` bits.

    Assumption: linear between the published widths 8, 16 and 32, proportional outside.

    Examples
    --------
    >>> float(add(16).pj), float(add(20).pj)
    (0.05, 0.0625)
    """
    known = _published("add")
    narrow, wide = known[0], known[-1]
    if bits <= narrow[0]:
        return narrow[1].times(Fraction(bits, narrow[0]))
    for (low, below), (high, above) in pairwise(known):
        if bits <= high:
            slope = (above.pj - below.pj) / (high - low)
            return Figure(below.pj + slope * (bits - low), below.source)
    return wide[1].times(Fraction(bits, wide[0]))


def multiply(bits_a: int, bits_b: int) -> Figure:
    """An integer multiplication: the published 8 x 8 one, scaled by the product of the widths.

    Assumption: in proportion to the product of the widths.

    Examples
    --------
    >>> float(multiply(20, 8).pj)
    0.5
    """
    return _published("multiply")[0][1].times(Fraction(bits_a * bits_b, MULTIPLY_BITS))


def memory(size_bytes: int, access_bytes: int, clock_hz: int) -> MemoryFigures:
    """An SRAM of the next larger size and width in the table, with its leakage per cycle.

    Raises
    ------
    SpecError
        If CACTI's table holds nothing that large or wide.

    Examples
    --------
    >>> float(memory(512, 2, 800_000_000).leak.pj)
    0.75229
    """
    found = sram(size_bytes, access_bytes)
    leak = found.leak_mw * PJ_PER_MW_AND_HZ / clock_hz
    return MemoryFigures(
        Figure(found.read_pj, found.source),
        Figure(found.write_pj, found.source),
        Figure(leak, found.source),
    )
