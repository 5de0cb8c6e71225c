"""What Bit-Tactical is made of."""

from arch.bit_tactical.charges import buffers, lane_bits
from arch.bit_tactical.spec import BitTacticalSpec
from arch.components import Component, Components, cells, made_of
from arch.energy import Price

SELECTOR = Price(0, "no published figure for the selector of activations")


def components(spec: BitTacticalSpec) -> Components:
    """Banks, lanes, accumulators, registers, requantizers.

    A lane multiplies a word by as many bits as it takes in a cycle and has one adder of the tree
    behind it.  A tile keeps ``lookahead`` + 1 steps of activations for each window.  Assumption:
    one requantizer for each filter in flight; a bit or a term costs a multiplication of one bit
    and an addition in the tree; shifters and selectors have no published figure.

    Examples
    --------
    >>> found = {each.name: each.nm2 for each in components(BitTacticalSpec())}
    >>> found["lane"] > found["accumulator"]
    True
    """
    cell, bits = cells(spec), spec.operand_bits
    taken, summed = lane_bits(spec)
    rows = spec.tiles * spec.filters
    kept = (spec.lookahead + 1) * spec.lanes * spec.windows * spec.tiles
    multiplier, tree, adder = (
        cell.multiplier(taken, bits),
        cell.adder(summed),
        cell.adder(spec.psum_bits),
    )
    word = cell.register(bits)
    weights = rows * spec.lanes
    return (
        *cell.memories(buffers(spec)),
        cell.registers("activation_register", kept, bits),
        Component(
            "selector", spec.units, 0, {"select": SELECTOR}, left_out="it has no published figure"
        ),
        Component(
            "weight_register",
            weights,
            weights * cell.register(spec.slot_bits).nm2,
            {"read": word.price, "write": word.price},
        ),
        made_of("lane", spec.units, multiplier, tree, multiply=multiplier, add=tree).counting(
            spec.multipliers, spec.multipliers
        ),
        made_of("accumulator", rows * spec.windows, adder, add=adder),
        cell.registers("psum_register", rows * spec.windows, spec.psum_bits),
        cell.requantizer(rows),
    )
