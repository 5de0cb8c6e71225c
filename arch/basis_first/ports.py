"""Widths of the buffers' ports, bytes: what one access moves at most.

Rule: specification/basis_first_counts.md, BF-70.
"""

from arch.basis_first.spec import BasisFirstSpec

WIDEST = 64  # of the SRAM table; a wider vector or broadcast takes several accesses
COEFFICIENT_PORT_BYTES = 8  # Assumption: a coefficient buffer delivers 64 bits per read


def glb_port(spec: BasisFirstSpec) -> int:
    """Of either GLB: both may feed the broadcast, because they swap roles."""
    return min(WIDEST, spec.broadcast_bytes_per_cycle)


def vector_port(spec: BasisFirstSpec) -> int:
    """Of a vector buffer: one row of operands where the table has one so wide."""
    return min(WIDEST, spec.ca_lanes)
