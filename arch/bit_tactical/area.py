"""What Bit-Tactical is made of, in square nanometres by component."""

from arch.area import Area, areas
from arch.bit_tactical.charges import buffers, lane_bits
from arch.bit_tactical.spec import BitTacticalSpec
from arch.buffers import memory_area
from arch.charges import REQUANTIZE_BITS


def area(spec: BitTacticalSpec) -> Area:
    """Banks, lanes, accumulators, registers, requantizers.

    A lane multiplies a word by as many bits as it takes in a cycle and has one adder of the tree
    behind it.  A tile keeps ``lookahead`` + 1 steps of activations for each window.  Assumption:
    one requantizer for each filter in flight; shifters and selectors have no published figure.

    Examples
    --------
    >>> found = area(BitTacticalSpec())
    >>> found["lane"] > found["accumulator"]
    True
    """
    unit, bits = areas(spec), spec.operand_bits
    taken, summed = lane_bits(spec)
    rows = spec.tiles * spec.filters
    kept = (spec.lookahead + 1) * spec.lanes * spec.windows * spec.tiles
    return memory_area(unit, buffers(spec)) | {
        "lane": spec.units * (unit.multiplier(taken, bits) + unit.adder(summed)),
        "accumulator": rows * spec.windows * unit.adder(spec.psum_bits),
        "psum_register": rows * spec.windows * unit.register(spec.psum_bits),
        "weight_register": rows * spec.lanes * unit.register(spec.slot_bits),
        "activation_register": kept * unit.register(bits),
        "requantizer": rows * unit.multiplier(REQUANTIZE_BITS, REQUANTIZE_BITS),
    }
