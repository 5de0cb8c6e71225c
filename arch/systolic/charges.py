"""The array's actions, what each costs, and the traffic between its levels."""

from collections.abc import Mapping

import numpy as np

from arch.buffers import Buffers, banked
from arch.charges import Key
from arch.steps import Steps
from arch.systolic.spec import SystolicSpec
from arch.systolic.tally import Tally

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


def _accesses(part: np.ndarray, spec: SystolicSpec) -> int:
    return int((-(-part // spec.port_bytes)).sum())


def _sums(side: Mapping[str, np.ndarray]) -> dict[str, int]:
    return {name: int(part.sum()) for name, part in side.items()}


def traffic(steps: Steps, counts: Tally, spec: SystolicSpec) -> dict[Key, int]:
    """Bytes by (level, tensor, direction); ``glb`` is the three scratchpads, on both sides."""
    word, psum_bytes = spec.operand_bytes, spec.psum_bytes
    filled, drained = _sums(steps.loads), _sums(steps.stores)
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


def events(macs: int, steps: Steps, counts: Tally, spec: SystolicSpec) -> dict[Key, int]:
    """Actions by (component, action, tensor) of the array and its scratchpads."""
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
    for side, action in ((steps.loads, "write"), (steps.stores, "read")):
        for tensor, part in side.items():
            key = (SCRATCHPADS[tensor], action, tensor)
            table[key] = table.get(key, 0) + _accesses(part, spec)
    for tensor, kind, registers in (
        ("input", "operand_register", counts.input_registers),
        ("weight", "operand_register", counts.weight_registers),
        ("psum", "psum_register", counts.psum_registers),
    ):
        table[kind, "write", tensor] = registers.writes
        table[kind, "read", tensor] = registers.reads
    return table
