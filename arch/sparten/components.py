"""What the SparTen model is made of."""

from math import ceil, log2

from arch.components import Cells, Component, Components, cells, made_of
from arch.sparten.charges import buffers
from arch.sparten.spec import SpartenSpec


def components(spec: SpartenSpec) -> Components:
    """Buffers, units, inner joins, permute network, collectors, requantizers.

    Assumption: a unit has a psum register for each filter it takes at once; a cluster has one
    requantizer, and with GB-H an adder per unit behind the permute network.  The permute network
    of GB-H passes a psum through 2 log2(units) - 1 stages of registers, once per filter and chunk.

    Examples
    --------
    >>> found = {each.name: each.nm2 for each in components(SpartenSpec())}
    >>> found["filter_buffer"] == found["input_buffer"]
    True
    """
    cell, bits = cells(spec), 8 * spec.operand_bytes
    adder, word = cell.adder(spec.psum_bits), cell.register(bits)
    held = spec.units * (spec.filters_per_group // spec.units_per_cluster)
    stages = cell.register(spec.psum_bits).times(permute_stages(spec.units_per_cluster))
    permuting = spec.units if spec.balance == "hardware" else 0
    collected = Component(
        "collector", spec.units, spec.units * word.nm2, {"add": adder.price, "write": word.price}
    )
    return (
        *cell.memories(buffers(spec)),
        _inner_join(cell, spec),
        cell.macs("unit", spec.units, bits, spec.psum_bits),
        cell.registers("psum_register", held, spec.psum_bits),
        made_of("permute_network", permuting, stages, adder, move=stages),
        collected,
        cell.requantizer(spec.clusters),
    )


def _inner_join(cell: Cells, spec: SpartenSpec) -> Component:
    """What finds the pairs of two masks.

    No table of the same family publishes one, so its parts are counted as adders (Assumption):
    the AND of two masks as one adder as wide as the chunk; a priority encoder that picks a match
    as another; a prefix sum over n positions as the n/2 x log2(n) adders of a parallel prefix
    network, each as wide as a count up to n.  The AND and the prefix sums work once per filter
    and chunk, a prefix sum for each operand that is packed; the encoder once per match.
    """
    chunk, packed = spec.chunk, spec.skips_activations + spec.skips_weights
    wide, kept = cell.adder(chunk), cell.register(chunk)
    prefix = cell.adder(chunk.bit_length()).times(prefix_adders(chunk))
    sums = [prefix, kept] * packed
    both = [wide] if packed == 2 else []
    actions = {"and": wide, "prefix_sum": prefix, "pick": wide}
    return made_of("inner_join", spec.units * (packed > 0), *sums, *both, wide, **actions)


def prefix_adders(chunk: int) -> int:
    """Adders of a prefix sum over ``chunk`` positions.

    Examples
    --------
    >>> prefix_adders(128), prefix_adders(97), prefix_adders(1)
    (448, 343, 1)
    """
    return max(1, -(-chunk // 2) * ceil(log2(chunk)))


def permute_stages(units: int) -> int:
    """Stages of a network that brings ``units`` words into any order (Benes).

    Examples
    --------
    >>> permute_stages(32), permute_stages(17), permute_stages(1)
    (9, 9, 1)
    """
    return max(1, 2 * ceil(log2(units)) - 1)
