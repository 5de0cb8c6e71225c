"""What the Basis-First machine is made of.

Rule: specification/basis_first_counts.md, BF-75.
"""

from arch.basis_first.charges import buffers
from arch.basis_first.spec import BasisFirstSpec
from arch.components import Components, cells, made_of

WEIGHT_BITS = 8
BASIS_TAPS = 9  # Assumption: a 3x3 basis kernel; registers for larger ones are left out
BASIS_HALVES = 2  # double-buffered


def components(spec: BasisFirstSpec) -> Components:
    """Buffers, adders, multipliers and registers.

    Assumption: the adder tree has one adder for each multiplier of a block, which also adds the
    psum; dilution and concentration are not in it, because nobody published the area of such a
    network.

    Examples
    --------
    >>> {each.name: each.nm2 for each in components(BasisFirstSpec())}["input_glb"]
    203684000000
    """
    cell = cells(spec)
    slices = spec.pe_blocks * spec.slices_per_block
    lanes, multipliers = slices * spec.ca_lanes, slices * spec.mac_row_width
    adder, tree = cell.adder(spec.intermediate_bits), cell.adder(spec.psum_bits)
    wide = cell.multiplier(spec.intermediate_bits, WEIGHT_BITS)
    basis = cell.register(BASIS_HALVES * BASIS_TAPS * WEIGHT_BITS)
    return (
        *cell.memories(buffers(spec)),
        made_of("ca_unit", lanes, adder, add=adder).counting(adders=lanes),
        made_of("scale_multiplier", slices, wide, multiply=wide),
        cell.registers(
            "intermediate_fifo", slices * spec.intermediate_fifo, spec.intermediate_bits
        ),
        made_of("basis_registers", slices, basis),
        made_of("mac_row", multipliers, wide, multiply=wide).counting(multipliers),
        made_of("adder_tree", multipliers, tree, add=tree),
        cell.requantizer(slices),
    )
