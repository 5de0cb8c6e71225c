"""What Eyeriss v2 is made of, in square nanometres by component."""

from arch.area import Area, areas
from arch.buffers import memory_area
from arch.charges import REQUANTIZE_BITS
from arch.eyeriss_v2.charges import buffers
from arch.eyeriss_v2.spec import VALUE_BITS, EyerissV2Spec


def area(spec: EyerissV2Spec) -> Area:
    """Banks, weight spads, multipliers with their adders, registers, requantizers.

    Assumption: one requantizer (a multiplier of 32 x 32 bits) for each column of PEs; routers and
    the control of a PE have no published figure in these tables and are left out.

    Examples
    --------
    >>> sorted(area(EyerissV2Spec()))
    ['iact_address_spad', 'iact_glb', 'iact_spad', 'pe', 'psum_glb', 'psum_spad', 'requantizer', \
'weight_address_spad', 'weight_spad']
    """
    unit = areas(spec)
    table = memory_area(unit, buffers(spec)) | {
        "pe": spec.lanes * (unit.multiplier(VALUE_BITS, VALUE_BITS) + unit.adder(spec.psum_bits)),
        "requantizer": spec.array_columns * unit.multiplier(REQUANTIZE_BITS, REQUANTIZE_BITS),
    }
    for spad, bits in spec.spad_bits.items():
        if spad != "weight_spad":
            table[spad] = spec.pes * unit.register(bits)
    return table
