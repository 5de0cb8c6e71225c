"""What SCNN is made of."""

from fractions import Fraction

from arch.area import NM2_PER_MM2
from arch.cited import Figure
from arch.components import Component, Components, cells, made_of
from arch.node import area_level, node
from arch.prices import price
from arch.scnn.charges import buffers
from arch.scnn.kernels import BANKS
from arch.scnn.spec import ScnnSpec

COORDINATE_BITS = 8  # Assumption: of a row or column, added once for each product
# Scatter crossbar of a PE, 16 products of 24 bits to 32 banks, 16 nm: SCNN's table, as quoted.
CROSSBAR_MM2, CROSSBAR_NM = Fraction("0.026"), 16
CROSSBAR_PRODUCTS, CROSSBAR_PSUM_BITS = 16, 24
# Assumption: a product finds its bank through stages of published 1-to-4 crossbars.
CROSSBAR = Figure(
    Fraction("0.68"),
    "Aladdin 40 nm table as shipped with Accelergy, crossbar 1 to 4, 32 bits (2 ns)",
)
CROSSBAR_WAYS, CROSSBAR_BITS = 4, 32


def components(spec: ScnnSpec) -> Components:
    """Memories, multipliers, bank adders, coordinate adders, registers, crossbars, requantizers.

    Assumption: a bank has one adder, a product two for its coordinate, a PE one requantizer.  The
    area of the crossbar is the published one, scaled with its inputs, its width and the node.

    Examples
    --------
    >>> {each.name: each.nm2 for each in components(ScnnSpec(node_nm=16))}["crossbar"]
    1664000000000
    """
    cell, bits, entry = cells(spec), 8 * spec.operand_bytes, spec.index_bits
    multiplier, coordinate = cell.multiplier(bits, bits), cell.adder(COORDINATE_BITS)
    adder, used = cell.adder(spec.psum_bits), cell.register(bits + entry * spec.skip_zeros)
    held = spec.pes * spec.activation_vector * cell.register(bits + entry).nm2
    banks = spec.pes * BANKS
    return (
        *cell.memories(buffers(spec)),
        made_of("multiplier", spec.units, multiplier, multiply=multiplier).counting(spec.units),
        made_of("coordinate", 2 * spec.units, coordinate, add=coordinate),
        Component(
            "operand_register",
            spec.pes * spec.activation_vector,
            held,
            {"read": used.price, "write": used.price},
        ),
        Component(
            "accumulator_adder",
            banks,
            banks * adder.nm2,
            {"add": adder.price},
            charged_as="accumulator",
            adders=banks,
        ),
        _crossbar(spec),
        cell.requantizer(spec.pes),
    )


def _crossbar(spec: ScnnSpec) -> Component:
    """The networks that bring products to their banks."""
    share = Fraction(spec.products * spec.psum_bits, CROSSBAR_PRODUCTS * CROSSBAR_PSUM_BITS)
    scale = area_level(spec.node_nm) / area_level(CROSSBAR_NM)
    at = node(spec.node_nm, spec.supply_v)
    through = CROSSBAR.times(_stages() * Fraction(spec.psum_bits, CROSSBAR_BITS))
    return Component(
        "crossbar",
        spec.pes,
        round(spec.pes * CROSSBAR_MM2 * share * scale * NM2_PER_MM2),
        {"transfer": price(through, at.energy, at.label)},
    )


def _stages() -> int:
    stages, reached = 0, 1
    while reached < BANKS:
        stages, reached = stages + 1, reached * CROSSBAR_WAYS
    return stages
