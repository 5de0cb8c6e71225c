"""Prices: what each family says, how figures scale and round, and that families never mix."""

import pytest

from arch.energy import by_component, by_tensor, charges, total_attojoules
from arch.errors import SpecError
from arch.horowitz_cacti import add as horowitz_add
from arch.machine import MACHINES, Neighbours, machine
from arch.prices import FAMILIES, price_list
from arch.spec import MachineSpec
from tests.reference.basis_first_golden import GOLDEN

DEFAULT = price_list(MachineSpec())
ACCELERGY = price_list(MachineSpec(energy="accelergy_aladdin"))

# attojoules of the default machines at 45 nm; they change only with a written reason
PINNED = {
    "basis_first": {
        ("dram", "byte"): 64_000_000,
        ("input_glb", "read"): 40_351_500,
        ("output_glb", "write"): 139_050_000,
        ("vector_buffer", "read"): 3_683_700,
        ("coefficient_buffer", "read"): 1_433_700,
        ("psum_buffer", "write"): 1_483_800,
        ("psum_buffer", "read"): 747_500,
        ("ca_unit", "add"): 62_500,
        ("intermediate_fifo", "read"): 180_000,
        ("mac_row", "multiply"): 500_000,
        ("adder_tree", "add"): 100_000,
        ("requantizer", "multiply"): 3_200_000,
        ("leakage", "cycle"): 1_045_616_820,
        ("clock", "cycle"): 0,
    },
    "systolic": {
        ("dram", "byte"): 64_000_000,
        ("pe", "multiply"): 200_000,
        ("pe", "add"): 100_000,
        ("requantizer", "multiply"): 3_200_000,
        ("operand_register", "read"): 72_000,
        ("psum_register", "write"): 288_000,
        ("ifmap_scratchpad", "read"): 11_623_200,
        ("ofmap_scratchpad", "write"): 36_138_700,
        ("leakage", "cycle"): 783_450_000,
    },
}


@pytest.mark.parametrize("name", PINNED)
def test_default_prices_are_what_they_were(name):
    found = machine(name)
    table = found.prices(next(iter(found.presets.values())))
    assert {key: table[key].attojoules for key in PINNED[name]} == PINNED[name]


@pytest.mark.parametrize(
    ("bits", "attojoules"),
    [
        (8, 30_000),
        (16, 50_000),
        (32, 100_000),
        (12, 40_000),
        (24, 75_000),
        (4, 15_000),
        (64, 200_000),
    ],
)
def test_horowitz_adders_meet_the_published_widths(bits, attojoules):
    assert DEFAULT.add(bits).attojoules == attojoules


def test_horowitz_multipliers_scale_with_both_widths():
    assert DEFAULT.multiply(8, 8).attojoules == 200_000
    assert DEFAULT.multiply(16, 8) == DEFAULT.multiply(8, 16)
    assert DEFAULT.multiply(16, 8).attojoules == 400_000
    assert DEFAULT.multiply(32, 32).attojoules == 3_200_000


def test_aladdin_scales_from_its_32_bit_components():
    assert ACCELERGY.add(32).attojoules == 210_000
    assert ACCELERGY.add(8).attojoules == 52_500
    assert ACCELERGY.multiply(32, 32).attojoules == 12_680_000
    assert ACCELERGY.multiply(20, 8).attojoules == 1_981_250
    assert ACCELERGY.register(32).attojoules == DEFAULT.register(32).attojoules == 288_000


@pytest.mark.parametrize(
    ("size", "port", "read", "write", "leak"),
    [
        (384, 2, 388_000, 568_000, 12_000),  # the published array itself
        (386, 2, 710_110, 1_130_630, 5_960),  # one word deeper: the next array
        (450, 2, 2_410_000, 2_247_000, 0),
        (1024, 8, 4 * 388_000, 4 * 568_000, 4 * 12_000),  # 128 words: four side by side
        (4096, 16, 2 * 5_158_980, 2 * 5_694_280, 2 * 12_160),  # fewer arrays, as many bits
        (65536, 64, 8 * 5_158_980, 8 * 5_694_280, 8 * 12_160),
        (131072, 8, 37_100_000, 37_635_000, 18_000),
    ],
)
def test_accelergy_memories_are_published_arrays_side_by_side(size, port, read, write, leak):
    memory = ACCELERGY.memory(size, port)
    assert (memory.read.attojoules, memory.write.attojoules) == (read, write)
    assert memory.leak_per_cycle(1).attojoules == leak
    assert memory.leak_per_cycle(3).attojoules == 3 * leak


def test_what_no_table_holds_is_refused_not_borrowed():
    with pytest.raises(SpecError, match="no memory of 131080 B with a 8 B port in Accelergy's"):
        ACCELERGY.memory(131_080, 8)
    assert DEFAULT.memory(131_080, 8).read.attojoules > 0
    with pytest.raises(SpecError, match="no SRAM of 512 B with a 65 B port"):
        DEFAULT.memory(512, 65)
    assert ACCELERGY.memory(512, 65).read.attojoules > 0


def test_leakage_is_power_over_clock():
    """0.601832 mW at 800 MHz is 752290 aJ per cycle and bank."""
    bank = DEFAULT.memory(512, 2)
    assert bank.leak_per_cycle(1).attojoules == 752_290
    assert bank.leak_per_cycle(4).attojoules == 3_009_160


def test_a_node_scales_everything_on_the_chip_once():
    small = price_list(MachineSpec(node_nm=7))
    factor = 0.047815 / 0.84433
    assert small.multiply(8, 8).attojoules == round(200_000 * factor)
    assert small.memory(512, 2).read.attojoules == round(645_900 * factor)
    assert small.memory(512, 2).leak_per_cycle(4).attojoules == round(3_009_160 * factor)
    assert small.dram_byte() == DEFAULT.dram_byte()
    assert "scaled to 7 nm at 0.7 V" in small.add(8).source
    assert "scaled" not in DEFAULT.add(8).source
    low = price_list(MachineSpec(supply_v=0.5))
    level = 1.103 * 0.25 - 0.362 * 0.5 + 0.2767
    assert low.multiply(8, 8).attojoules == round(200_000 * level / 0.84433)


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("node_nm", [130, 45, 7])
def test_every_preset_is_priced_by_its_family_alone(name, family, node_nm):
    found = machine(name)
    for preset in found.presets.values():
        fields = {"energy": family, "node_nm": node_nm, "supply_v": "nominal"}
        spec = preset.model_copy(update=fields)
        table = found.prices(spec)
        assert table.keys() == found.prices(preset).keys()
        foreign = ("Accelergy ERT",) if family == "horowitz_cacti" else ("CACTI 7", "Horowitz")
        for price in table.values():
            assert price.source
            assert not any(word in price.source for word in foreign)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("node_nm", [45, 16])
@pytest.mark.parametrize("row", GOLDEN[:3], ids=lambda row: row.name)
def test_sums_by_component_and_tensor_are_exact(family, node_nm, row):
    found = machine("basis_first")
    fields = {**row.fields, "energy": family, "node_nm": node_nm}
    spec = found.spec_type.model_validate(fields)
    counters = found.run(row.tensors, spec, Neighbours(row.planes)).result.counters
    table = found.prices(spec)
    lines = charges(counters, table)
    by_hand = sum(n * table[key[:2]].attojoules for key, n in counters.events.items())
    assert total_attojoules(lines) == by_hand > 0
    assert sum(by_component(lines).values()) == by_hand
    assert sum(by_tensor(lines).values()) == by_hand


def test_every_figure_names_its_source():
    assert "Horowitz, ISSCC 2014" in horowitz_add(20).source
    assert "45 nm 0.9 V" in DEFAULT.multiply(8, 8).source
    assert "Aladdin 40 nm table" in ACCELERGY.add(8).source
    assert "2 x Accelergy ERT, 45 nm, 1024 x 64 b" in ACCELERGY.memory(4096, 16).read.source
