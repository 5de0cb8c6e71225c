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
    multiplier, adder = cell.multiplier(bits, bits), cell.adder(spec.psum_bits)
    operand, psum = cell.register(bits), cell.register(spec.psum_bits)
    operands = 3 if spec.fold_overhead == "preloaded" else 2
    accumulators = spec.columns if spec.dataflow != "os" else 0
    return (
        *cell.memories(buffers(spec)),
        made_of("pe", spec.units, multiplier, adder, multiply=multiplier, add=adder).counting(
            spec.units, spec.units
        ),
        made_of("operand_register", operands * spec.units, operand, read=operand, write=operand),
        made_of("psum_register", spec.units, psum, read=psum, write=psum),
        cell.requantizer(spec.columns),
        made_of("accumulator", accumulators, adder, add=adder),
    )
