"""Traffic on chip, actions and what each costs."""

from collections.abc import Mapping

import numpy as np

from arch.buffers import Buffers, banked
from arch.charges import Key
from arch.crossbar.spec import CrossbarSpec
from arch.crossbar.tally import Tally
from arch.steps import Steps


def buffers(spec: CrossbarSpec) -> Buffers:
    """The banks of the three buffers.

    Examples
    --------
    >>> buffers(CrossbarSpec())["input_buffer"]
    Buffer(size_bytes=16384, port_bytes=32, instances=24)
    """
    return {
        f"{name}_buffer": banked(getattr(spec, f"{name}_bytes"), spec.bank_bytes, spec.port_bytes)
        for name in ("input", "weight", "output")
    }


def _bytes(side: Mapping[str, np.ndarray], tensor: str) -> int:
    return int(side[tensor].sum())


def traffic(done: Steps, counts: Tally, spec: CrossbarSpec) -> dict[Key, int]:
    """Bytes by (level, tensor, direction); ``glb`` is the three buffers, on both sides."""
    weights, outputs = _bytes(done.loads, "weight"), _bytes(done.stores, "output")
    psums = _bytes(done.loads, "psum") + _bytes(done.stores, "psum")
    return {
        ("glb", "input", "write"): _bytes(done.loads, "input"),
        ("glb", "input", "read"): counts.strip_words * spec.operand_bytes,
        ("glb", "weight", "write"): weights,
        ("glb", "weight", "read"): weights,
        ("glb", "psum", "write"): psums,
        ("glb", "psum", "read"): psums,
        ("glb", "output", "write"): outputs,
        ("glb", "output", "read"): outputs,
    }


def events(done: Steps, counts: Tally, spec: CrossbarSpec) -> dict[Key, int]:
    """Actions by (component, action, tensor); runs of a step pass a port side by side."""

    def accesses(sizes: np.ndarray) -> int:
        return int((-(-sizes // spec.port_bytes)).sum())

    table: dict[Key, int] = {
        ("input_buffer", "write", "input"): accesses(done.loads["input"]),
        ("input_buffer", "read", "input"): counts.strip_accesses,
        ("input_register", "write", "input"): counts.row_words,
        ("input_register", "read", "input"): counts.row_words,
        ("dac", "drive", "input"): counts.drives,
        ("cell", "read", "psum"): counts.cell_reads,
        ("cell", "write", "weight"): counts.cell_writes,
        ("adc", "convert", "psum"): counts.conversions,
        ("shift_add", "add", "psum"): counts.conversions,
        ("accumulator", "add", "psum"): counts.sums,
    }
    psums = accesses(done.loads["psum"]) + accesses(done.stores["psum"])
    for buffer, tensor, count in (
        ("weight_buffer", "weight", accesses(done.loads["weight"])),
        ("output_buffer", "psum", psums),
        ("output_buffer", "output", accesses(done.stores["output"])),
    ):
        table[buffer, "write", tensor] = table[buffer, "read", tensor] = count
    return table
