"""Area: whole square nanometres that add up, by hand from the published figures."""

from fractions import Fraction

import pytest

from arch.area import NM2_PER_MM2, areas
from arch.machine import MACHINES, Resources, machine
from arch.spec import MachineSpec

FROM_40_NM = Fraction(52, 41)  # tests/arch/test_node.py
UM2 = 10**6


def scaled(um2):
    return round(Fraction(um2) * FROM_40_NM * UM2)


def test_units_by_hand():
    unit = areas(MachineSpec())
    assert unit.memory(512, 2) == 1_857_760_000  # 0.00185776 mm2
    assert unit.adder(32) == scaled(278)
    assert unit.adder(20) == scaled(Fraction(278 * 20, 32))
    assert unit.multiplier(32, 32) == scaled(6350)
    assert unit.multiplier(20, 8) == scaled(Fraction(6350 * 20 * 8, 32 * 32))
    assert unit.register(1) == scaled("5.98")


def test_nodes_scale_area():
    """0.0092 of 130 nm against 0.16 at 45 nm."""
    small = areas(MachineSpec(node_nm=7))
    assert small.memory(512, 2) == round(1_857_760_000 * Fraction("0.0575"))
    assert small.adder(32) == round(278 * UM2 * FROM_40_NM * Fraction("0.0575"))


def test_basis_first_by_hand():
    found = machine("basis_first").resources(machine("basis_first").presets["default"]).area
    blocks, slices = 32, 32 * 6
    assert found["input_glb"] == 203_684_000_000
    assert found["vector_buffer"] == blocks * 14_281_700_000
    assert found["coefficient_buffer"] == slices * 3_600_960_000
    assert found["psum_buffer"] == slices * 3 * 1_893_930_000
    assert found["ca_unit"] == 3072 * scaled(Fraction(278 * 20, 32))
    assert found["mac_row"] == 576 * scaled(Fraction(6350 * 160, 1024))
    assert found["adder_tree"] == 576 * scaled(278)
    assert found["intermediate_fifo"] == slices * 4 * scaled(Fraction("5.98") * 20)
    assert found["basis_registers"] == slices * scaled(Fraction("5.98") * 2 * 9 * 8)
    assert found["requantizer"] == slices * scaled(6350)


def test_systolic_by_hand():
    found = machine("systolic").resources(machine("systolic").presets["iso"]).area
    bank = 53_779_200_000  # 16 KiB behind 32 B
    assert found["ifmap_scratchpad"] == 14 * bank
    assert found["filter_scratchpad"] == 18 * bank
    assert found["ofmap_scratchpad"] == 4 * bank
    assert found["pe"] == 1024 * (scaled(Fraction(6350, 16)) + scaled(278))
    assert found["operand_register"] == 2048 * scaled(Fraction("5.98") * 8)
    assert found["psum_register"] == 1024 * scaled(Fraction("5.98") * 32)
    assert found["requantizer"] == 32 * scaled(6350)
    assert "accumulator" not in found
    weights = machine("systolic").resources(machine("systolic").presets["scalesim"]).area
    assert weights["accumulator"] == 32 * scaled(278)


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("node_nm", [130, 45, 7])
def test_components_add_up_and_are_whole(name, node_nm):
    found = machine(name)
    for preset in found.presets.values():
        fields = {"node_nm": node_nm, "supply_v": "nominal"}  # a chip's volts fit its own node
        resources = found.resources(preset.model_copy(update=fields))
        assert all(isinstance(nm2, int) and nm2 > 0 for nm2 in resources.area.values())
        assert resources.area_mm2 == sum(resources.area.values()) / NM2_PER_MM2


def test_the_family_of_energies_does_not_move_the_area():
    for found in map(machine, MACHINES):
        for preset in found.presets.values():
            other = preset.model_copy(update={"energy": "accelergy_aladdin"})
            assert found.resources(preset) == found.resources(other)


def test_a_machine_may_give_no_area():
    assert Resources(1, 1, 0).area_mm2 == 0
