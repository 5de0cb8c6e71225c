"""What Eyeriss is made of."""

from arch.components import Components, cells
from arch.eyeriss.charges import buffers
from arch.eyeriss.spec import EyerissSpec


def components(spec: EyerissSpec) -> Components:
    """GLB banks, weight spads, PEs and their registers, requantizers.

    Assumption: the input and psum spads are registers of one word, their decoders left out; one
    requantizer for each psum that the bus brings back in one cycle.

    Examples
    --------
    >>> {each.name: each.nm2 for each in components(EyerissSpec())}["filter_spad"]
    1902346240000
    """
    cell, bits = cells(spec), 8 * spec.operand_bytes
    return (
        *cell.memories(buffers(spec)),
        cell.macs("pe", spec.units, bits, spec.psum_bits),
        cell.registers("ifmap_spad", spec.units * spec.ifmap_spad_words, bits),
        cell.registers("psum_spad", spec.units * spec.psum_spad_words, spec.psum_bits),
        cell.requantizer(spec.psum_bus_words),
    )
