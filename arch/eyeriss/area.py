"""What Eyeriss is made of, in square nanometres by component."""

from arch.area import Area, areas
from arch.buffers import memory_area
from arch.charges import REQUANTIZE_BITS
from arch.eyeriss.charges import buffers
from arch.eyeriss.spec import EyerissSpec


def area(spec: EyerissSpec) -> Area:
    """GLB banks, weight spads, PEs and their registers, requantizers.

    Assumption: one requantizer (a multiplier of 32 x 32 bits) for each psum that the bus brings
    back in one cycle.

    Examples
    --------
    >>> area(EyerissSpec())["filter_spad"] == 1024 * 1857760000
    True
    """
    unit, bits = areas(spec), 8 * spec.operand_bytes
    return memory_area(unit, buffers(spec)) | {
        "pe": spec.units * (unit.multiplier(bits, bits) + unit.adder(spec.psum_bits)),
        "ifmap_spad": spec.units * spec.ifmap_spad_words * unit.register(bits),
        "psum_spad": spec.units * spec.psum_spad_words * unit.register(spec.psum_bits),
        "requantizer": spec.psum_bus_words * unit.multiplier(REQUANTIZE_BITS, REQUANTIZE_BITS),
    }
