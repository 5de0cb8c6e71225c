"""Kinds of DRAM: the energy of a bit. A kind sets no bandwidth and no latency."""

from fractions import Fraction

from arch.cited import Figure, row, rows


def kinds() -> tuple[str, ...]:
    """The kinds that have a published energy.

    Examples
    --------
    >>> kinds()
    ('LPDDR4', 'LPDDR', 'DDR3', 'DDR4', 'GDDR5', 'HBM2', 'HMC')
    """
    return tuple(entry["kind"] for entry in rows("dram.csv"))


def byte(kind: str) -> Figure:
    """Energy of one byte to or from DRAM; the same in every family and at every node.

    Examples
    --------
    >>> byte("LPDDR4").pj, float(byte("DDR4").pj)
    (Fraction(64, 1), 99.6)
    """
    entry = row("dram.csv", "kind", kind)
    return Figure(Fraction(entry["pJ_per_bit"]) * 8, f"{entry['source']} ({kind})")
