"""What the machine is made of, in square nanometres by component.

Rule: specification/basis_first_counts.md, BF-75.
"""

from arch.area import Area, areas
from arch.basis_first.charges import WEIGHT_BITS, buffers
from arch.basis_first.spec import BasisFirstSpec
from arch.buffers import memory_area
from arch.charges import REQUANTIZE_BITS

BASIS_TAPS = 9  # Assumption: a 3x3 basis kernel; registers for larger ones are left out
BASIS_HALVES = 2  # double-buffered


def area(spec: BasisFirstSpec) -> Area:
    """Buffers, adders, multipliers and registers.

    Assumption: the adder tree has one adder for each multiplier of a block, which also adds the
    psum; a requantizer is one multiplier of 32 x 32 bits; dilution and concentration are not in
    it, because nobody published the area of such a network.

    Examples
    --------
    >>> area(BasisFirstSpec())["input_glb"]
    203684000000
    """
    slices = spec.pe_blocks * spec.slices_per_block
    multipliers = slices * spec.mac_row_width
    unit = areas(spec)
    basis_bits = BASIS_HALVES * BASIS_TAPS * WEIGHT_BITS
    wide = unit.multiplier(spec.intermediate_bits, WEIGHT_BITS)
    return memory_area(unit, buffers(spec)) | {
        "ca_unit": slices * spec.ca_lanes * unit.adder(spec.intermediate_bits),
        "scale_multiplier": slices * wide,
        "intermediate_fifo": slices
        * spec.intermediate_fifo
        * unit.register(spec.intermediate_bits),
        "basis_registers": slices * unit.register(basis_bits),
        "mac_row": multipliers * wide,
        "adder_tree": multipliers * unit.adder(spec.psum_bits),
        "requantizer": slices * unit.multiplier(REQUANTIZE_BITS, REQUANTIZE_BITS),
    }
