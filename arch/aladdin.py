"""Aladdin's 40 nm components: energy of one operation, area of one unit.

Assumption: the energies stand in at 45 nm unscaled, as Accelergy uses them there.
"""

from collections.abc import Mapping
from fractions import Fraction

from arch.cited import Figure, row

NODE_NM = 40


def _row(component: str) -> tuple[int, Mapping[str, str]]:
    entry = row("aladdin_40nm.csv", "component", component)
    return int(entry["bits"]), entry


def _energy(component: str, share: Fraction) -> Figure:
    _, entry = _row(component)
    return Figure(Fraction(entry["pJ"]) * share, f"{entry['source']} ({NODE_NM} nm)")


def _area(component: str, share: Fraction) -> Fraction:
    _, entry = _row(component)
    return Fraction(entry["um2"]) * share


def linear(component: str, bits: int) -> Fraction:
    """The published component scaled to ``bits`` bits in proportion: adders and registers.

    Assumption: proportional to the width.
    """
    return Fraction(bits, _row(component)[0])


def square(component: str, bits_a: int, bits_b: int) -> Fraction:
    """The published component scaled by the product of both widths: multipliers.

    Assumption: proportional to the product of the widths.
    """
    return Fraction(bits_a * bits_b, _row(component)[0] ** 2)


def register(bits: int) -> Figure:
    """One access to a register. CACTI has nothing so small, so both families use this figure.

    Examples
    --------
    >>> float(register(32).pj)
    0.288
    """
    return _energy("register", linear("register", bits))


def add(bits: int) -> Figure:
    """An integer addition.

    Examples
    --------
    >>> float(add(32).pj), float(add(8).pj)
    (0.21, 0.0525)
    """
    return _energy("adder", linear("adder", bits))


def multiply(bits_a: int, bits_b: int) -> Figure:
    """An integer multiplication.

    Examples
    --------
    >>> float(multiply(32, 32).pj), float(multiply(8, 8).pj)
    (12.68, 0.7925)
    """
    return _energy("multiplier", square("multiplier", bits_a, bits_b))


def register_um2(bits: int) -> Fraction:
    """Area of a register at 40 nm.

    Examples
    --------
    >>> float(register_um2(20))
    119.6
    """
    return _area("register", linear("register", bits))


def adder_um2(bits: int) -> Fraction:
    """Area of an adder at 40 nm.

    Examples
    --------
    >>> float(adder_um2(16))
    139.0
    """
    return _area("adder", linear("adder", bits))


def multiplier_um2(bits_a: int, bits_b: int) -> Fraction:
    """Area of a multiplier at 40 nm.

    Examples
    --------
    >>> float(multiplier_um2(16, 8))
    793.75
    """
    return _area("multiplier", square("multiplier", bits_a, bits_b))
