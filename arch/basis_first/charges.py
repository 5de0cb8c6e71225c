"""Prices: the machine's actions and what each costs.

Rules: specification/basis_first_counts.md, BF-70 to BF-74.
"""

from arch.basis_first.ports import COEFFICIENT_PORT_BYTES, WIDEST, glb_port, vector_port
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.steps import Plan
from arch.basis_first.tally import Tally
from arch.buffers import Buffer, Buffers


def events(
    spec: BasisFirstSpec,
    steps: Plan,
    counts: Tally,
    pairs: int,
    cycles: int,
    shortcut_bytes: int,
    swapped: bool,
) -> dict[tuple[str, str, str], int]:
    """Actions by (component, action, tensor).

    ``pairs`` are those added in the first stage; ``swapped`` GLBs have each other's role.  What
    moves between DRAM and a GLB passes the port step by step; outputs are packed on their way in.
    """

    def dram(name: str) -> int:
        return steps.bytes.total(name)

    def steps_through(name: str) -> int:
        return int((-(-getattr(steps.bytes, name) // port)).sum())

    port = glb_port(spec)
    source, sink = ("output_glb", "input_glb") if swapped else ("input_glb", "output_glb")
    reads_per_row = -(-spec.ca_lanes // WIDEST)
    return {
        ("dram", "byte", "input"): dram("input"),
        ("dram", "byte", "coefficient"): dram("coefficient"),
        ("dram", "byte", "basis"): dram("basis"),
        ("dram", "byte", "shortcut"): shortcut_bytes,
        ("dram", "byte", "output"): dram("output"),
        (source, "write", "input"): steps_through("input"),
        (source, "read", "input"): counts.glb_reads,
        (sink, "write", "output"): -(-counts.output_bytes // port),
        (sink, "read", "output"): steps_through("output"),
        ("vector_buffer", "write", "input"): counts.vector_writes,
        ("vector_buffer", "read", "input"): counts.vector_row_reads * reads_per_row,
        ("coefficient_buffer", "write", "coefficient"): counts.coefficient_writes,
        ("coefficient_buffer", "read", "coefficient"): counts.coefficient_reads,
        ("ca_unit", "add", "intermediate"): pairs,
        ("scale_multiplier", "multiply", "intermediate"): counts.scale_multiplies,
        ("intermediate_fifo", "write", "intermediate"): counts.fifo_uses,
        ("intermediate_fifo", "read", "intermediate"): counts.fifo_uses,
        ("mac_row", "multiply", "psum"): counts.multiplies,
        ("adder_tree", "add", "psum"): counts.tree_adds,
        ("psum_buffer", "write", "psum"): counts.psum_writes,
        ("psum_buffer", "read", "psum"): counts.psum_reads,
        ("requantizer", "multiply", "output"): counts.requantizes,
        ("leakage", "cycle", "static"): cycles,
        ("clock", "cycle", "static"): cycles,
    }


def buffers(spec: BasisFirstSpec) -> Buffers:
    """Every SRAM."""
    port = glb_port(spec)
    banks = spec.slices_per_block * spec.mac_row_width
    psum_bytes, word_bytes = -(-spec.psum_buffer_bytes // banks), -(-spec.psum_bits // 8)
    slices = spec.pe_blocks * spec.slices_per_block
    return {
        "input_glb": Buffer(spec.input_glb_bytes, port),
        "output_glb": Buffer(spec.output_glb_bytes, port),
        "vector_buffer": Buffer(spec.vector_buffer_bytes, vector_port(spec), spec.pe_blocks),
        "coefficient_buffer": Buffer(spec.coefficient_buffer_bytes, COEFFICIENT_PORT_BYTES, slices),
        "psum_buffer": Buffer(psum_bytes, word_bytes, spec.pe_blocks * banks),
    }
