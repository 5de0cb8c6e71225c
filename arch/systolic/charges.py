"""The array's actions, what each costs, and the traffic between its levels."""

from collections.abc import Mapping

import numpy as np

from arch.energy import EnergyTable, Price
from arch.memory import burst_bytes
from arch.prices import price_list
from arch.systolic.plan import Plan
from arch.systolic.spec import SystolicSpec
from arch.systolic.tally import Tally, by_tensor

Key = tuple[str, str, str]
CLOCK = Price(0, "no published figure for the clock tree; a table of one's own may price it")
REQUANTIZE_BITS = 32  # both operands of the one multiplication of an output
SCRATCHPADS: Mapping[str, str] = {
    "input": "ifmap_scratchpad",
    "weight": "filter_scratchpad",
    "psum": "ofmap_scratchpad",
    "output": "ofmap_scratchpad",
}


def bursts(sizes: np.ndarray, spec: SystolicSpec) -> np.ndarray:
    """Bytes of each step's run on the DRAM bus, whole bursts."""
    rounded: np.ndarray = -(-sizes // spec.dram_burst_bytes) * spec.dram_burst_bytes
    return rounded


def _accesses(steps: np.ndarray, spec: SystolicSpec) -> int:
    return int((-(-steps // spec.port_bytes)).sum())


def shortcut_bytes(values: np.ndarray | None, spec: SystolicSpec) -> int:
    """The other operand of an addition behind the layer: read, at no cost in cycles."""
    return 0 if values is None else burst_bytes(values.nbytes, spec)


def traffic(plan: Plan, counts: Tally, spec: SystolicSpec, shortcut: int) -> dict[Key, int]:
    """Bytes by (level, tensor, direction).

    ``dram`` in whole bursts; ``glb`` is the three scratchpads, on both their sides.
    """
    groups, word = plan.gemm.layer.groups, spec.operand_bytes
    table: dict[Key, int] = {("dram", "shortcut", "read"): shortcut}
    filled, drained = by_tensor(plan.loads, groups), by_tensor(plan.stores, groups)
    for tensor, steps in plan.loads.items():
        table["dram", tensor, "read"] = int(bursts(steps, spec).sum()) * groups
    for tensor, steps in plan.stores.items():
        table["dram", tensor, "write"] = int(bursts(steps, spec).sum()) * groups
    psum_bytes = spec.psum_bytes
    table |= {
        ("glb", "input", "write"): filled["input"],
        ("glb", "input", "read"): counts.ifmap.words * word,
        ("glb", "weight", "write"): filled["weight"],
        ("glb", "weight", "read"): counts.filter.words * word,
        ("glb", "psum", "write"): counts.psum_writes.words * psum_bytes + filled.get("psum", 0),
        ("glb", "psum", "read"): counts.psum_reads.words * psum_bytes + drained.get("psum", 0),
        ("glb", "output", "write"): counts.output_writes.words * word,
        ("glb", "output", "read"): drained["output"],
    }
    return table


def events(
    plan: Plan, counts: Tally, spec: SystolicSpec, cycles: int, moved: Mapping[Key, int]
) -> dict[Key, int]:
    """Actions by (component, action, tensor); ``moved`` is the table of ``traffic``."""
    groups = plan.gemm.layer.groups
    macs = plan.gemm.M * plan.gemm.N * plan.gemm.K * groups
    table: dict[Key, int] = {}
    for (level, tensor, _), size in moved.items():
        if level == "dram":
            key = ("dram", "byte", tensor)
            table[key] = table.get(key, 0) + size
    table |= {
        ("ifmap_scratchpad", "read", "input"): counts.ifmap.accesses,
        ("filter_scratchpad", "read", "weight"): counts.filter.accesses,
        ("ofmap_scratchpad", "read", "psum"): counts.psum_reads.accesses,
        ("ofmap_scratchpad", "write", "psum"): counts.psum_writes.accesses,
        ("ofmap_scratchpad", "write", "output"): counts.output_writes.accesses,
        ("pe", "multiply", "psum"): macs,
        ("pe", "add", "psum"): macs,
        ("accumulator", "add", "psum"): counts.psum_reads.words,
        ("requantizer", "multiply", "output"): counts.output_writes.words,
        ("leakage", "cycle", "static"): cycles,
        ("clock", "cycle", "static"): cycles,
    }
    for side, action in ((plan.loads, "write"), (plan.stores, "read")):
        for tensor, steps in side.items():
            key = (SCRATCHPADS[tensor], action, tensor)
            table[key] = table.get(key, 0) + _accesses(steps, spec) * groups
    for tensor, kind, registers in (
        ("input", "operand_register", counts.input_registers),
        ("weight", "operand_register", counts.weight_registers),
        ("psum", "psum_register", counts.psum_registers),
    ):
        table[kind, "write", tensor] = registers.writes
        table[kind, "read", tensor] = registers.reads
    return table


def banks(spec: SystolicSpec, size_bytes: int) -> tuple[int, int]:
    """Bytes of one bank of a scratchpad, and how many it has.

    Examples
    --------
    >>> banks(SystolicSpec(), 64 * 1024)
    (16384, 4)
    """
    bank = min(spec.bank_bytes, -(-size_bytes // 2))
    return bank, -(-size_bytes // bank)


def prices(spec: SystolicSpec) -> EnergyTable:
    """What each action costs, by the tables that the spec names."""
    bits = 8 * spec.operand_bytes
    cost = price_list(spec)
    operand, psum = cost.register(bits), cost.register(spec.psum_bits)
    table: dict[tuple[str, str], Price] = {
        ("dram", "byte"): cost.dram_byte(),
        ("pe", "multiply"): cost.multiply(bits, bits),
        ("pe", "add"): cost.add(spec.psum_bits),
        ("accumulator", "add"): cost.add(spec.psum_bits),
        ("requantizer", "multiply"): cost.multiply(REQUANTIZE_BITS, REQUANTIZE_BITS),
        ("operand_register", "read"): operand,
        ("operand_register", "write"): operand,
        ("psum_register", "read"): psum,
        ("psum_register", "write"): psum,
        ("clock", "cycle"): CLOCK,
    }
    leak: Price | None = None
    for name in ("ifmap", "filter", "ofmap"):
        size, count = banks(spec, getattr(spec, f"{name}_bytes"))
        bank = cost.memory(size, spec.port_bytes)
        table[f"{name}_scratchpad", "read"] = bank.read
        table[f"{name}_scratchpad", "write"] = bank.write
        part = bank.leak_per_cycle(count)
        leak = part if leak is None else leak + part
    assert leak is not None
    table["leakage", "cycle"] = leak
    return table
