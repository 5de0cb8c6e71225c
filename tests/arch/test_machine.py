"""The registry: every machine is found by name and offers the same things."""

import pytest

from arch.energy import charges
from arch.errors import SpecError
from arch.machine import MACHINES, machine, preset
from arch.spec import MachineSpec
from workloads.layer import ConvLayer

LAYER = ConvLayer("conv", C=3, K=4, H=8, W=8, R=3, S=3)


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_describes_itself(name):
    found = machine(name)
    assert found.name == name
    assert found.summary
    assert found.source
    assert issubclass(found.spec_type, MachineSpec)
    assert found.presets
    for chosen in found.presets.values():
        assert isinstance(chosen, found.spec_type)
        resources = found.resources(chosen)
        assert min(resources.multipliers, resources.adders, resources.sram_bytes) > 0
        assert all(price.source for price in found.prices(chosen).values())


@pytest.mark.parametrize("name", MACHINES)
def test_every_field_of_a_machine_is_described(name):
    for field, info in machine(name).spec_type.model_fields.items():
        assert info.description, field


@pytest.mark.parametrize("name", [name for name in MACHINES if machine(name).eats_shapes])
def test_shapes_are_enough_where_a_machine_says_so(name):
    found = machine(name)
    for chosen in found.presets.values():
        run = found.run_shape(LAYER, chosen)
        assert run.psums is None
        assert run.result.machine == name
        assert run.result.spec == chosen
        assert charges(run.result.counters, found.prices(chosen))


def test_unknown_names_are_refused():
    with pytest.raises(SpecError, match="unknown machine 'abacus', allowed are basis_first, sys"):
        machine("abacus")
    with pytest.raises(SpecError, match="systolic: unknown preset 'big', allowed are iso, scale"):
        preset(machine("systolic"), "big")
    assert preset(machine("systolic"), "iso") == machine("systolic").presets["iso"]
