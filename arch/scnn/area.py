"""What SCNN is made of, in square nanometres by component."""

from fractions import Fraction

from arch.area import NM2_PER_MM2, Area, areas
from arch.buffers import memory_area
from arch.charges import REQUANTIZE_BITS
from arch.node import area_level
from arch.scnn.charges import COORDINATE_BITS, buffers
from arch.scnn.kernels import BANKS
from arch.scnn.spec import ScnnSpec

# Scatter crossbar of a PE, 16 products of 24 bits to 32 banks, 16 nm: SCNN's table, as quoted.
CROSSBAR_MM2, CROSSBAR_NM = Fraction("0.026"), 16
CROSSBAR_PRODUCTS, CROSSBAR_BITS = 16, 24


def area(spec: ScnnSpec) -> Area:
    """Memories, multipliers, bank adders, coordinate adders, registers, crossbars, requantizers.

    Assumption: a bank has one adder, a product two for its coordinate, a PE one requantizer (a
    multiplier of 32 x 32 bits).  The crossbar is the published one, scaled with its inputs, its
    width and the node.

    Examples
    --------
    >>> area(ScnnSpec(node_nm=16))["crossbar"]
    1664000000000
    """
    unit, bits = areas(spec), 8 * spec.operand_bytes
    share = Fraction(spec.products * spec.psum_bits, CROSSBAR_PRODUCTS * CROSSBAR_BITS)
    scale = area_level(spec.node_nm) / area_level(CROSSBAR_NM)
    entry = bits + spec.index_bits
    return memory_area(unit, buffers(spec)) | {
        "multiplier": spec.units * unit.multiplier(bits, bits),
        "coordinate": 2 * spec.units * unit.adder(COORDINATE_BITS),
        "operand_register": spec.pes * spec.activation_vector * unit.register(entry),
        "accumulator_adder": spec.pes * BANKS * unit.adder(spec.psum_bits),
        "crossbar": round(spec.pes * CROSSBAR_MM2 * share * scale * NM2_PER_MM2),
        "requantizer": spec.pes * unit.multiplier(REQUANTIZE_BITS, REQUANTIZE_BITS),
    }
