"""ISAAC's converters: energy of one action and area of one unit, 32 nm.

Assumption: they scale to other nodes as logic does, though analog circuits shrink less.

Rule: specification/crossbar.md, XBR-11.
"""

from dataclasses import dataclass
from fractions import Fraction

from arch.area import NM2_PER_UM2
from arch.cited import Figure, rows
from arch.components import Cell
from arch.crossbar.spec import CrossbarSpec
from arch.node import NOMINAL, area_level, node
from arch.prices import price

TABLE = "isaac_32nm.csv"
TABLE_NM = 32


@dataclass(frozen=True, slots=True)
class Unit:
    """One action, and the area of what performs it."""

    energy: Figure
    um2: Fraction


def _unit(component: str, bits: int) -> tuple[int, Unit]:
    """The narrowest published unit of at least ``bits`` bits, else the widest; and its width."""
    found = [entry for entry in rows(TABLE) if entry["component"] == component]
    fits = [entry for entry in found if int(entry["bits"]) >= bits] or found[-1:]
    entry = fits[0]
    return int(entry["bits"]), Unit(
        Figure(Fraction(entry["pJ"]), f"{entry['source']} ({TABLE_NM} nm)"), Fraction(entry["um2"])
    )


def adc(bits: int) -> Unit:
    """An ADC of the next larger published width, up to 10 bits.

    Examples
    --------
    >>> float(adc(8).um2), adc(3) == adc(4)
    (1200.0, True)
    """
    return _unit("adc", bits)[1]


def dac(bits: int) -> Unit:
    """A DAC; Assumption: energy and area of the published one bit double with every bit more.

    Examples
    --------
    >>> float(dac(2).energy.pj)
    0.83334
    """
    wide, unit = _unit("dac", bits)
    return _times(unit, Fraction(1 << max(bits - wide, 0)))


def shift_add(bits: int) -> Unit:
    """A shift-and-add behind an ADC; Assumption: proportional to the width of the psum.

    Examples
    --------
    >>> float(shift_add(32).energy.pj), float(shift_add(32).um2)
    (0.042, 120.0)
    """
    wide, unit = _unit("shift_add", bits)
    return _times(unit, Fraction(bits, wide))


def _times(unit: Unit, factor: Fraction) -> Unit:
    return Unit(unit.energy.times(factor), unit.um2 * factor)


def converter(unit: Unit, spec: CrossbarSpec) -> Cell:
    """Energy and area at the machine's node.

    Examples
    --------
    >>> found = converter(adc(8), CrossbarSpec(node_nm=32))
    >>> found.nm2, found.price.attojoules
    (1200000000, 1666667)
    """
    at, published = node(spec.node_nm, spec.supply_v), node(TABLE_NM, NOMINAL)
    label = ""
    if at != published:
        label = f", scaled to {spec.node_nm} nm at {float(at.supply_v):g} V"
    factor = area_level(spec.node_nm) / area_level(TABLE_NM)
    energy = price(unit.energy, at.energy / published.energy, label)
    return Cell(round(unit.um2 * factor * NM2_PER_UM2), energy)
