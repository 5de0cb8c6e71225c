"""Prices of one machine: a family's figures, scaled to its node and rounded once."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Protocol

from arch import accelergy_aladdin, aladdin, dram, horowitz_cacti
from arch.cited import Figure, MemoryFigures
from arch.energy import AJ_PER_PJ, Price
from arch.node import Node, node
from arch.spec import MachineSpec


class Family(Protocol):
    """Published energies that belong together, at 45 nm."""

    def add(self, bits: int, /) -> Figure:
        """An integer addition."""
        ...

    def multiply(self, bits_a: int, bits_b: int, /) -> Figure:
        """An integer multiplication."""
        ...

    def memory(self, size_bytes: int, access_bytes: int, clock_hz: int, /) -> MemoryFigures:
        """A memory of so many bytes with a port of so many bytes."""
        ...


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {"horowitz_cacti": horowitz_cacti, "accelergy_aladdin": accelergy_aladdin}
)


def price(figure: Figure, factor: Fraction = Fraction(1), label: str = "") -> Price:
    """A figure rounded to whole attojoules.

    Examples
    --------
    >>> price(Figure(Fraction("0.0625"), "a table"))
    Price(attojoules=62500, source='a table')
    """
    return Price(round(figure.pj * factor * AJ_PER_PJ), figure.source + label)


@dataclass(frozen=True, slots=True)
class Memory:
    """One memory: the price of each kind of access, and its leakage."""

    read: Price
    write: Price
    leak: Figure

    def leak_per_cycle(self, instances: int) -> Price:
        """Leakage of ``instances`` such memories in one cycle, rounded once."""
        return price(self.leak.times(instances))


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of a machine's actions."""

    family: Family
    node: Node
    clock_hz: int
    dram: str

    def _price(self, figure: Figure) -> Price:
        return price(figure, self.node.energy, self.node.label)

    def add(self, bits: int) -> Price:
        """An integer addition."""
        return self._price(self.family.add(bits))

    def multiply(self, bits_a: int, bits_b: int) -> Price:
        """An integer multiplication."""
        return self._price(self.family.multiply(bits_a, bits_b))

    def register(self, bits: int) -> Price:
        """One access to a register."""
        return self._price(aladdin.register(bits))

    def memory(self, size_bytes: int, access_bytes: int) -> Memory:
        """A memory of so many bytes with a port of so many bytes.

        Raises
        ------
        SpecError
            If the family's table holds nothing that fits.
        """
        found = self.family.memory(size_bytes, access_bytes, self.clock_hz)
        leak = Figure(found.leak.pj * self.node.energy, found.leak.source + self.node.label)
        return Memory(self._price(found.read), self._price(found.write), leak)

    def dram_byte(self) -> Price:
        """One byte to or from DRAM. DRAM is another chip, so it is never scaled."""
        return price(dram.byte(self.dram))


def price_list(spec: MachineSpec) -> PriceList:
    """The prices for a machine's fields.

    Examples
    --------
    >>> price_list(MachineSpec()).multiply(8, 8).attojoules
    200000
    >>> price_list(MachineSpec(energy="accelergy_aladdin")).multiply(8, 8).attojoules
    792500
    >>> price_list(MachineSpec(node_nm=7)).multiply(8, 8).attojoules
    11326
    """
    return PriceList(
        FAMILIES[spec.energy], node(spec.node_nm, spec.supply_v), spec.clock_hz, spec.dram
    )
