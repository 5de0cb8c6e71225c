"""Process nodes: how energy and area of the 45 nm tables change at other nodes.

Stillmaker and Baas, Integration 58 (2017): the energy of an operation is proportional to a
polynomial of the supply voltage, one for each node; areas are published relative to 130 nm.

Rule: specification/memory.md, MEM-25.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

from arch.cited import row
from arch.errors import SpecError

TABLES_NM = 45  # node of the energy and SRAM tables
NOMINAL = "nominal"
LEAST, MOST = Fraction(1, 2), Fraction(6, 5)  # Assumption: a fit holds from 0.5 to 1.2 x nominal
LABEL = "Stillmaker and Baas 2017"


@dataclass(frozen=True, slots=True)
class Node:
    """A node at a supply voltage, relative to 45 nm at its nominal voltage.

    Assumption: leakage power scales like the energy of an operation, as the Accelergy library
    plug-in has it, so that one factor serves for both at an unchanged clock.
    """

    node_nm: int
    supply_v: Fraction
    energy: Fraction
    area: Fraction

    @property
    def label(self) -> str:
        """Text added to the source of a scaled number; empty if nothing is scaled."""
        if self.energy == 1 and self.area == 1:
            return ""
        return f", scaled to {self.node_nm} nm at {float(self.supply_v):g} V ({LABEL})"


def _row(node_nm: int) -> Mapping[str, str]:
    return row("nodes.csv", "node_nm", str(node_nm))


def nominal_v(node_nm: int) -> Fraction:
    """The default supply voltage of a node.

    Source: 45 nm as in Horowitz's table.  Assumption: the others after the PTM models.

    Examples
    --------
    >>> float(nominal_v(45)), float(nominal_v(7))
    (0.9, 0.7)
    """
    return Fraction(_row(node_nm)["nominal_v"])


def energy_level(node_nm: int, supply_v: Fraction) -> Fraction:
    """The polynomial; only ratios of two values have a meaning.

    Examples
    --------
    Stillmaker and Baas's own example (correction to their section 4.2.1): 65 nm at 1.3 V.

    >>> round(float(energy_level(65, Fraction("1.3"))), 3)
    2.604
    """
    entry = _row(node_nm)
    a2, a1, a0 = (Fraction(entry[f"energy_a{power}"]) for power in (2, 1, 0))
    return a2 * supply_v**2 + a1 * supply_v + a0


def voltages(node_nm: int) -> tuple[Fraction, Fraction]:
    """Lowest and highest allowed supply voltage of a node.

    Assumption: 0.5 to 1.2 times the nominal one, and never below the minimum of the fit, where
    less voltage would cost more energy.
    """
    entry, nominal = _row(node_nm), nominal_v(node_nm)
    minimum = -Fraction(entry["energy_a1"]) / (2 * Fraction(entry["energy_a2"]))
    return max(LEAST * nominal, minimum), MOST * nominal


def area_level(node_nm: int) -> Fraction:
    """Area relative to 130 nm. 40 nm, the node of Aladdin's components, lies between two rows.

    Between published nodes the factor is interpolated linearly, as the Accelergy library
    plug-in does.

    Examples
    --------
    >>> float(area_level(45)), round(float(area_level(45) / area_level(40)), 4)
    (0.16, 1.2683)
    """
    if node_nm == 40:
        near, far = area_level(45), area_level(32)
        return near + (far - near) * Fraction(45 - 40, 45 - 32)
    return Fraction(_row(node_nm)["area_from_130nm"])


def node(node_nm: int, supply_v: float | str = NOMINAL) -> Node:
    """A published node at a voltage, or at its nominal one.

    Raises
    ------
    SpecError
        If the voltage is none, or outside of :func:`voltages`.

    Examples
    --------
    >>> node(45).energy, round(float(node(7).energy), 4), float(node(7).area)
    (Fraction(1, 1), 0.0566, 0.0575)
    """
    if isinstance(supply_v, str):
        if supply_v != NOMINAL:
            raise SpecError(f"wanted volts or {NOMINAL!r}")
        volts = nominal_v(node_nm)
    else:
        low, high = voltages(node_nm)
        if not (isfinite(supply_v) and low <= Fraction(str(supply_v)) <= high):
            raise SpecError(
                f"wanted {NOMINAL!r} or {float(low):.3g} to {float(high):.3g} volts at {node_nm} nm"
            )
        volts = Fraction(str(supply_v))
    base = energy_level(TABLES_NM, nominal_v(TABLES_NM))
    return Node(
        node_nm,
        volts,
        energy_level(node_nm, volts) / base,
        area_level(node_nm) / area_level(TABLES_NM),
    )
