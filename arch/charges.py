"""Actions and prices that every machine has: DRAM, leakage, clock, requantizer."""

from collections.abc import Mapping

from arch.buffers import Buffers, memory_prices
from arch.energy import EnergyTable, Price
from arch.memory import burst_bytes
from arch.prices import PriceList
from arch.spec import MachineSpec
from workloads.tensors import LayerTensors

Key = tuple[str, str, str]
CLOCK = Price(0, "no published figure for the clock tree; a table of one's own may price it")
REQUANTIZE_BITS = 32  # both operands of the one multiplication of an output


def shortcut_bytes(tensors: LayerTensors, spec: MachineSpec) -> int:
    """The other operand of an addition behind the layer: read, at no cost in cycles."""
    values = tensors.shortcut
    return 0 if values is None else burst_bytes(values.nbytes, spec)


def common_events(moved: Mapping[Key, int], cycles: int, outputs: int) -> dict[Key, int]:
    """DRAM bytes by tensor out of the traffic table, requantizations, and the cycles.

    Parameters
    ----------
    moved : bytes by (level, tensor, direction)
    cycles : of the layer, waits included
    outputs : words that leave through a requantizer
    """
    table: dict[Key, int] = {}
    for (level, tensor, _), size in moved.items():
        if level == "dram":
            key = ("dram", "byte", tensor)
            table[key] = table.get(key, 0) + size
    return table | {
        ("requantizer", "multiply", "output"): outputs,
        ("leakage", "cycle", "static"): cycles,
        ("clock", "cycle", "static"): cycles,
    }


def common_prices(cost: PriceList, buffers: Buffers) -> EnergyTable:
    """Prices of ``common_events`` and of a read and a write of each buffer.

    Raises
    ------
    SpecError
        If the tables hold nothing that fits.
    """
    return {
        ("dram", "byte"): cost.dram_byte(),
        **memory_prices(cost, buffers),
        ("requantizer", "multiply"): cost.multiply(REQUANTIZE_BITS, REQUANTIZE_BITS),
        ("clock", "cycle"): CLOCK,
    }
