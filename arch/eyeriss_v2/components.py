"""What Eyeriss v2 is made of."""

from arch.components import Cells, Component, Components, cells
from arch.eyeriss_v2.charges import buffers
from arch.eyeriss_v2.spec import ADDRESS_BITS, VALUE_BITS, EyerissV2Spec


def components(spec: EyerissV2Spec) -> Components:
    """Banks, weight spads, multipliers with their adders, registers, requantizers.

    Assumption: one requantizer for each column of PEs; routers and the control of a PE have no
    published figure in these tables and are left out.

    Examples
    --------
    >>> sorted(each.name for each in components(EyerissV2Spec()))
    ['iact_address_spad', 'iact_glb', 'iact_spad', 'pe', 'psum_glb', 'psum_spad', 'requantizer', \
'weight_address_spad', 'weight_spad']
    """
    cell = cells(spec)
    return (
        *cell.memories(buffers(spec)),
        cell.macs("pe", spec.lanes, VALUE_BITS, spec.psum_bits),
        cell.requantizer(spec.array_columns),
        *_spads(cell, spec),
    )


def _spads(cell: Cells, spec: EyerissV2Spec) -> Components:
    """Scratchpads of registers; an access touches one word."""
    words = {
        "iact_address_spad": ADDRESS_BITS["iact"],
        "iact_spad": spec.word_bits,
        "weight_address_spad": ADDRESS_BITS["weight"],
        "psum_spad": spec.psum_bits,
    }
    found = []
    for name, bits in words.items():
        held, used = cell.register(spec.spad_bits[name]), cell.register(bits).price
        actions = {"read": used, "write": used}
        found.append(Component(name, spec.pes, spec.pes * held.nm2, actions))
    return tuple(found)
