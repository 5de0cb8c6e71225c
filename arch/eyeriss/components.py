"""What Eyeriss is made of."""

from arch.components import Components, cells, made_of
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
    multiplier, adder = cell.multiplier(bits, bits), cell.adder(spec.psum_bits)
    word, psum = cell.register(bits), cell.register(spec.psum_bits)
    return (
        *cell.memories(buffers(spec)),
        made_of("pe", spec.units, multiplier, adder, multiply=multiplier, add=adder).counting(
            spec.units, spec.units
        ),
        made_of("ifmap_spad", spec.units * spec.ifmap_spad_words, word, read=word, write=word),
        made_of("psum_spad", spec.units * spec.psum_spad_words, psum, read=psum, write=psum),
        cell.requantizer(spec.psum_bus_words),
    )
