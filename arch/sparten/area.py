"""What the SparTen model is made of, in square nanometres by component."""

from arch.area import Area, areas
from arch.buffers import memory_area
from arch.charges import REQUANTIZE_BITS
from arch.sparten.charges import buffers, permute_stages, prefix_adders
from arch.sparten.spec import SpartenSpec


def area(spec: SpartenSpec) -> Area:
    """Buffers, units, inner joins, permute network, collectors, requantizers.

    Assumption: the inner join is made of the adders that its energy is counted in; a unit has a
    psum register for each filter it takes at once; a cluster has one requantizer (a multiplier of
    32 x 32 bits), and with GB-H an adder per unit behind the permute network.

    Examples
    --------
    >>> area(SpartenSpec())["filter_buffer"] == area(SpartenSpec())["input_buffer"]
    True
    """
    unit, bits, chunk = areas(spec), 8 * spec.operand_bytes, spec.chunk
    packed = spec.skips_activations + spec.skips_weights
    per_unit = spec.filters_per_group // spec.units_per_cluster
    psum = unit.register(spec.psum_bits)
    table = memory_area(unit, buffers(spec)) | {
        "unit": spec.units * (unit.multiplier(bits, bits) + unit.adder(spec.psum_bits)),
        "psum_register": spec.units * per_unit * psum,
        "collector": spec.units * unit.register(bits),
        "requantizer": spec.clusters * unit.multiplier(REQUANTIZE_BITS, REQUANTIZE_BITS),
    }
    if packed:
        prefix = prefix_adders(chunk) * unit.adder(chunk.bit_length())
        encoders = (packed == 2) * unit.adder(chunk) + unit.adder(chunk)
        table["inner_join"] = spec.units * (packed * (prefix + unit.register(chunk)) + encoders)
    if spec.balance == "hardware":
        stages = permute_stages(spec.units_per_cluster)
        table["permute_network"] = spec.units * (stages * psum + unit.adder(spec.psum_bits))
    return table
