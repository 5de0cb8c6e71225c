"""The array's actions, what each costs, and the traffic between its levels."""

from collections.abc import Mapping

import numpy as np

from arch.buffers import Buffers, banked
from arch.charges import Key, common_prices
from arch.energy import EnergyTable, Price
from arch.prices import price_list
from arch.systolic.plan import Plan
from arch.systolic.spec import SystolicSpec
from arch.systolic.tally import Tally, by_tensor

SCRATCHPADS: Mapping[str, str] = {
    "input": "ifmap_scratchpad",
    "weight": "filter_scratchpad",
    "psum": "ofmap_scratchpad",
    "output": "ofmap_scratchpad",
}


def buffers(spec: SystolicSpec) -> Buffers:
    """The banks of the three scratchpads.

    Examples
    --------
    >>> buffers(SystolicSpec())["ofmap_scratchpad"]
    Buffer(size_bytes=16384, port_bytes=32, instances=4)
    """
    return {
        f"{name}_scratchpad": banked(
            getattr(spec, f"{name}_bytes"), spec.bank_bytes, spec.port_bytes
        )
        for name in ("ifmap", "filter", "ofmap")
    }


def _accesses(steps: np.ndarray, spec: SystolicSpec) -> int:
    return int((-(-steps // spec.port_bytes)).sum())


def traffic(plan: Plan, counts: Tally, spec: SystolicSpec) -> dict[Key, int]:
    """Bytes by (level, tensor, direction); ``glb`` is the three scratchpads, on both sides."""
    groups, word = plan.gemm.layer.groups, spec.operand_bytes
    filled, drained = by_tensor(plan.loads, groups), by_tensor(plan.stores, groups)
    psum_bytes = spec.psum_bytes
    return {
        ("glb", "input", "write"): filled["input"],
        ("glb", "input", "read"): counts.ifmap.words * word,
        ("glb", "weight", "write"): filled["weight"],
        ("glb", "weight", "read"): counts.filter.words * word,
        ("glb", "psum", "write"): counts.psum_writes.words * psum_bytes + filled.get("psum", 0),
        ("glb", "psum", "read"): counts.psum_reads.words * psum_bytes + drained.get("psum", 0),
        ("glb", "output", "write"): counts.output_writes.words * word,
        ("glb", "output", "read"): drained["output"],
    }


def events(plan: Plan, counts: Tally, spec: SystolicSpec) -> dict[Key, int]:
    """Actions by (component, action, tensor) of the array and its scratchpads."""
    groups = plan.gemm.layer.groups
    macs = plan.gemm.M * plan.gemm.N * plan.gemm.K * groups
    table: dict[Key, int] = {
        ("ifmap_scratchpad", "read", "input"): counts.ifmap.accesses,
        ("filter_scratchpad", "read", "weight"): counts.filter.accesses,
        ("ofmap_scratchpad", "read", "psum"): counts.psum_reads.accesses,
        ("ofmap_scratchpad", "write", "psum"): counts.psum_writes.accesses,
        ("ofmap_scratchpad", "write", "output"): counts.output_writes.accesses,
        ("pe", "multiply", "psum"): macs,
        ("pe", "add", "psum"): macs,
        ("accumulator", "add", "psum"): counts.psum_reads.words,
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


def prices(spec: SystolicSpec) -> EnergyTable:
    """What each action costs, by the tables that the spec names."""
    bits = 8 * spec.operand_bytes
    cost = price_list(spec)
    operand, psum = cost.register(bits), cost.register(spec.psum_bits)
    table: dict[tuple[str, str], Price] = {
        ("pe", "multiply"): cost.multiply(bits, bits),
        ("pe", "add"): cost.add(spec.psum_bits),
        ("accumulator", "add"): cost.add(spec.psum_bits),
        ("operand_register", "read"): operand,
        ("operand_register", "write"): operand,
        ("psum_register", "read"): psum,
        ("psum_register", "write"): psum,
    }
    return {**common_prices(cost, buffers(spec)), **table}
