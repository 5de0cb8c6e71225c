"""What the systolic array is made of, in square nanometres by component.

Rule: specification/systolic.md, SYS-12.
"""

from arch.area import Area, areas
from arch.buffers import memory_area
from arch.charges import REQUANTIZE_BITS
from arch.systolic.charges import buffers
from arch.systolic.spec import SystolicSpec


def area(spec: SystolicSpec) -> Area:
    """Scratchpad banks, PEs and their registers, requantizers.

    A PE holds a multiplier, an adder, registers for both operands and one for the psum; where
    stationary tiles are preloaded, a second register for the stationary operand.
    Assumption: one requantizer (a multiplier of 32 x 32 bits) for each column; unless outputs
    are stationary, also one adder for each column, which accumulates psums in the scratchpad.

    Examples
    --------
    >>> area(SystolicSpec())["ofmap_scratchpad"]
    215116800000
    """
    unit, bits = areas(spec), 8 * spec.operand_bytes
    adder = unit.adder(spec.psum_bits)
    operands = 3 if spec.fold_overhead == "preloaded" else 2
    table = memory_area(unit, buffers(spec)) | {
        "pe": spec.units * (unit.multiplier(bits, bits) + adder),
        "operand_register": operands * spec.units * unit.register(bits),
        "psum_register": spec.units * unit.register(spec.psum_bits),
        "requantizer": spec.columns * unit.multiplier(REQUANTIZE_BITS, REQUANTIZE_BITS),
    }
    if spec.dataflow != "os":
        table["accumulator"] = spec.columns * adder
    return table
