"""Prices: the machine's actions and what each costs.

Rules: specification/basis_first_counts.md, BF-70 to BF-74.
"""

from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.steps import Plan
from arch.basis_first.tally import Tally
from arch.buffers import Buffer, Buffers
from arch.charges import common_prices
from arch.energy import EnergyTable
from arch.prices import price_list

GLB_PORT_BYTES = 64  # widest port of the SRAM table; a wider broadcast takes several reads
COEFFICIENT_PORT_BYTES = 8  # Assumption: a coefficient buffer delivers 64 bits per read
WEIGHT_BITS = 8


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

    ``pairs`` are those added in the first stage; ``swapped`` GLBs have each other's role.
    """

    def dram(name: str) -> int:
        return steps.bytes.total(name)

    port = min(GLB_PORT_BYTES, spec.broadcast_bytes_per_cycle)
    source, sink = ("output_glb", "input_glb") if swapped else ("input_glb", "output_glb")
    reads_per_row = -(-spec.ca_lanes // GLB_PORT_BYTES)
    return {
        ("dram", "byte", "input"): dram("input"),
        ("dram", "byte", "coefficient"): dram("coefficient"),
        ("dram", "byte", "basis"): dram("basis"),
        ("dram", "byte", "shortcut"): shortcut_bytes,
        ("dram", "byte", "output"): dram("output"),
        (source, "write", "input"): -(-dram("input") // port),
        (source, "read", "input"): counts.glb_reads,
        (sink, "write", "output"): -(-counts.output_bytes // GLB_PORT_BYTES),
        (sink, "read", "output"): -(-dram("output") // GLB_PORT_BYTES),
        ("vector_buffer", "write", "input"): -(-counts.vector_write_bytes // spec.ca_lanes),
        ("vector_buffer", "read", "input"): counts.vector_row_reads * reads_per_row,
        ("coefficient_buffer", "write", "coefficient"): -(
            -dram("coefficient") // COEFFICIENT_PORT_BYTES
        ),
        ("coefficient_buffer", "read", "coefficient"): max(
            counts.coefficient_reads,
            -(-counts.coefficient_read_bytes // COEFFICIENT_PORT_BYTES),
        ),
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
    port = min(GLB_PORT_BYTES, spec.broadcast_bytes_per_cycle)
    banks = spec.slices_per_block * spec.mac_row_width
    psum_bytes, word_bytes = -(-spec.psum_buffer_bytes // banks), -(-spec.psum_bits // 8)
    slices = spec.pe_blocks * spec.slices_per_block
    vector_port = min(spec.ca_lanes, GLB_PORT_BYTES)
    return {
        "input_glb": Buffer(spec.input_glb_bytes, port),
        "output_glb": Buffer(spec.output_glb_bytes, GLB_PORT_BYTES),
        "vector_buffer": Buffer(spec.vector_buffer_bytes, vector_port, spec.pe_blocks),
        "coefficient_buffer": Buffer(spec.coefficient_buffer_bytes, COEFFICIENT_PORT_BYTES, slices),
        "psum_buffer": Buffer(psum_bytes, word_bytes, spec.pe_blocks * banks),
    }


def prices(spec: BasisFirstSpec) -> EnergyTable:
    """What each action costs, by the tables that the spec names."""
    cost = price_list(spec)
    fifo = cost.register(spec.intermediate_bits)
    return {
        **common_prices(cost, buffers(spec)),
        ("ca_unit", "add"): cost.add(spec.intermediate_bits),
        ("scale_multiplier", "multiply"): cost.multiply(spec.intermediate_bits, WEIGHT_BITS),
        ("intermediate_fifo", "write"): fifo,
        ("intermediate_fifo", "read"): fifo,
        ("mac_row", "multiply"): cost.multiply(spec.intermediate_bits, WEIGHT_BITS),
        ("adder_tree", "add"): cost.add(spec.psum_bits),
    }
