"""What the systolic array is made of.

Rule: specification/systolic.md, SYS-12.
"""

from arch.components import Components, cells, made_of
from arch.systolic.charges import buffers
from arch.systolic.spec import SystolicSpec


def components(spec: SystolicSpec) -> Components:
    """Scratchpad banks, PEs and their registers, requantizers.

    A PE holds a multiplier, an adder, registers for both operands and one for the psum; where
    stationary tiles are preloaded, a second register for the stationary operand.
    Assumption: one requantizer for each column; unless outputs are stationary, also one adder for
    each column, which accumulates psums in the scratchpad.

    Examples
    --------
    >>> {each.name: each.nm2 for each in components(SystolicSpec())}["ofmap_scratchpad"]
    215116800000
    """
    cell, bits = cells(spec), 8 * spec.operand_bytes
    adder = cell.adder(spec.psum_bits)
    operands = 3 if spec.fold_overhead == "preloaded" else 2
    accumulators = spec.columns if spec.dataflow != "os" else 0
    return (
        *cell.memories(buffers(spec)),
        cell.macs("pe", spec.units, bits, spec.psum_bits),
        cell.registers("operand_register", operands * spec.units, bits),
        cell.registers("psum_register", spec.units, spec.psum_bits),
        cell.requantizer(spec.columns),
        made_of("accumulator", accumulators, adder, add=adder),
    )
