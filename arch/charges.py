"""Actions that every machine has: DRAM bytes, leakage, clock, requantizations."""

from collections.abc import Mapping

from arch.memory import burst_bytes
from arch.spec import MachineSpec
from workloads.tensors import LayerTensors

Key = tuple[str, str, str]


def shortcut_bytes(tensors: LayerTensors, spec: MachineSpec) -> int:
    """Bytes of the second operand of an addition behind the layer; reading it takes no cycle."""
    values = tensors.shortcut
    return 0 if values is None else burst_bytes(values.nbytes, spec)


def common_events(moved: Mapping[Key, int], cycles: int, outputs: int) -> dict[Key, int]:
    """DRAM bytes by tensor from the traffic table, requantizations, and cycles.

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
