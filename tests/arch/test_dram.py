"""DRAM kinds: each has a price and a source, and changes nothing but energy."""

import pytest

from arch.dram import byte, kinds
from arch.machine import machine
from arch.spec import MachineSpec
from workloads.layer import ConvLayer

PJ_PER_BIT = {
    "LPDDR4": 8,
    "LPDDR": 40,
    "DDR3": 70,
    "DDR4": 12.45,
    "GDDR5": 14,
    "HBM2": 3.9,
    "HMC": 4.2,
}


@pytest.mark.parametrize("kind", kinds())
def test_each_kind_has_its_published_energy(kind):
    assert float(byte(kind).pj) == pytest.approx(8 * PJ_PER_BIT[kind], rel=1e-12)
    assert byte(kind).source.endswith(f"({kind})")


def test_a_kind_changes_the_energy_of_dram_and_nothing_else():
    assert MachineSpec().dram == "LPDDR4"
    found = machine("systolic")
    spec = found.presets["tiny"]
    layer = ConvLayer("conv", C=8, K=16, H=12, W=12, R=3, S=3)
    other = spec.model_copy(update={"dram": "HBM2"})
    first, second = (found.run_shape(layer, s).result.counters for s in (spec, other))
    assert first == second
    before, after = found.prices(spec), found.prices(other)
    assert {key for key in before if before[key] != after[key]} == {("dram", "byte")}
    assert after["dram", "byte"].attojoules == 31_200_000
