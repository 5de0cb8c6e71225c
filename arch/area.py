"""Area in whole square nanometres, so that any grouping adds up exactly.

SRAM is CACTI's, arithmetic and registers are Aladdin's 40 nm components, whatever family prices
the energy.  Wires between units, control, and the concentration of operands have no published
figure and are not in it.

Rule: specification/memory.md, MEM-30.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from arch import aladdin
from arch.node import TABLES_NM, area_level, node
from arch.spec import MachineSpec
from arch.sram import sram

NM2_PER_UM2 = 10**6
NM2_PER_MM2 = 10**12

# component -> nm2
Area = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Areas:
    """The area of one unit of each kind at one node; each is rounded once."""

    from_40_nm: Fraction
    from_45_nm: Fraction

    def adder(self, bits: int) -> int:
        """An integer adder, nm2."""
        return round(aladdin.adder_um2(bits) * self.from_40_nm * NM2_PER_UM2)

    def multiplier(self, bits_a: int, bits_b: int) -> int:
        """An integer multiplier, nm2."""
        return round(aladdin.multiplier_um2(bits_a, bits_b) * self.from_40_nm * NM2_PER_UM2)

    def register(self, bits: int) -> int:
        """A register, nm2."""
        return round(aladdin.register_um2(bits) * self.from_40_nm * NM2_PER_UM2)

    def memory(self, size_bytes: int, access_bytes: int) -> int:
        """An SRAM of the next larger size and width, nm2.

        Raises
        ------
        SpecError
            If CACTI's table holds nothing that large or wide.
        """
        return round(sram(size_bytes, access_bytes).area_mm2 * self.from_45_nm * NM2_PER_MM2)


def areas(spec: MachineSpec) -> Areas:
    """Areas at the machine's node.

    Examples
    --------
    >>> areas(MachineSpec()).memory(512, 2), areas(MachineSpec()).adder(32)
    (1857760000, 352585366)
    """
    at = node(spec.node_nm, spec.supply_v)
    return Areas(at.area * area_level(TABLES_NM) / area_level(aladdin.NODE_NM), at.area)
