"""Buffers: SRAMs by name, from which prices, leakage, area and bytes of a machine follow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arch.area import Areas
from arch.energy import EnergyTable, Price
from arch.prices import PriceList


@dataclass(frozen=True, slots=True)
class Buffer:
    """One kind of SRAM: bytes of an instance, bytes of its port, and how many there are."""

    size_bytes: int
    port_bytes: int
    instances: int = 1

    def accesses(self, size_bytes: int) -> int:
        """Accesses that move one run of so many bytes through the port.

        Examples
        --------
        >>> Buffer(1024, 8).accesses(17)
        3
        """
        return -(-size_bytes // self.port_bytes)


Buffers = Mapping[str, Buffer]


def banked(size_bytes: int, bank_bytes: int, port_bytes: int, instances: int = 1) -> Buffer:
    """``instances`` buffers made of banks of ``bank_bytes``, or of two halves if smaller.

    Examples
    --------
    >>> banked(64 * 1024, 16 * 1024, 32), banked(3000, 16 * 1024, 32)
    (Buffer(size_bytes=16384, port_bytes=32, instances=4), \
Buffer(size_bytes=1500, port_bytes=32, instances=2))
    """
    bank = min(bank_bytes, -(-size_bytes // 2))
    return Buffer(bank, port_bytes, instances * -(-size_bytes // bank))


def memory_prices(cost: PriceList, buffers: Buffers) -> EnergyTable:
    """A read and a write of each buffer, and one cycle of everybody's leakage.

    Raises
    ------
    SpecError
        If the family's table holds nothing that fits.
    """
    table: dict[tuple[str, str], Price] = {}
    leaks: list[Price] = []
    for name, buffer in buffers.items():
        memory = cost.memory(buffer.size_bytes, buffer.port_bytes)
        table[name, "read"], table[name, "write"] = memory.read, memory.write
        leaks.append(memory.leak_per_cycle(buffer.instances))
    table["leakage", "cycle"] = _sum(leaks)
    return table


def _sum(prices: Sequence[Price]) -> Price:
    first, *others = prices
    return sum(others, start=first)


def memory_area(unit: Areas, buffers: Buffers) -> dict[str, int]:
    """Area of each buffer, all its instances, nm2.

    Raises
    ------
    SpecError
        If CACTI's table holds nothing that large or wide.
    """
    return {
        name: buffer.instances * unit.memory(buffer.size_bytes, buffer.port_bytes)
        for name, buffer in buffers.items()
    }
