"""Buffers: named SRAMs; prices, leakage and area of a machine follow from them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Buffer:
    """One kind of SRAM: bytes of an instance, bytes of its port, and the number of instances."""

    size_bytes: int
    port_bytes: int
    instances: int = 1

    def accesses(self, size_bytes: int) -> int:
        """Number of accesses that move a run of so many bytes through the port.

        Examples
        --------
        >>> Buffer(1024, 8).accesses(17)
        3
        """
        return -(-size_bytes // self.port_bytes)


Buffers = Mapping[str, Buffer]


def banked(size_bytes: int, bank_bytes: int, port_bytes: int, instances: int = 1) -> Buffer:
    """``instances`` buffers made of banks of ``bank_bytes``; smaller ones are made of two halves.

    Examples
    --------
    >>> banked(64 * 1024, 16 * 1024, 32), banked(3000, 16 * 1024, 32)
    (Buffer(size_bytes=16384, port_bytes=32, instances=4), \
Buffer(size_bytes=1500, port_bytes=32, instances=2))
    """
    bank = min(bank_bytes, -(-size_bytes // 2))
    return Buffer(bank, port_bytes, instances * -(-size_bytes // bank))
