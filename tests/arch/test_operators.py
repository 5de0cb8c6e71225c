"""Are operators between layers charged alike on every machine, and never a cycle?"""

from dataclasses import replace

import numpy as np
import pytest

from arch.energy import charges, total_attojoules
from arch.machine import MACHINES, machine
from arch.operators import FREE, ON_HOST, operator_prices, with_operators
from arch.simulate import Session, price_table
from arch.spec import MachineSpec
from workloads.between import ACTIONS, Between, OnHost
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

SOFTMAX = OnHost("attention", "softmax", (2, 3, 3), operations=81, reads=(18, 70), writes=18)
FOUND = {
    "one": Between({"lookup": 5, "compare": 7, "add": 11, "multiply": 13, "rescale": 17}),
    "two": Between({"add": 3}, reads=[100, 30], writes=[65], host=[SOFTMAX]),
}


def layer(name):
    rng = np.random.default_rng(0)
    shape = ConvLayer(name, C=3, K=2, H=4, W=4, R=2, S=2)
    pixels = rng.integers(-1, 3, (2, 3, 4, 4)).astype(np.int8)
    return LayerTensors(shape, pixels, rng.integers(-1, 2, shape.weight_shape).astype(np.int8))


def ran(name, found=None):
    model = machine(name)
    spec = next(iter(model.presets.values()))
    session = Session(model, spec)
    for each in ("one", "two"):
        session.run(layer(each))
    return session.finish("net", "first", found=found)


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_is_charged_alike_and_takes_no_cycle_longer(name):
    without, run = ran(name), ran(name, FOUND)
    first, second, host = run.results
    burst = run.spec.dram_burst_bytes
    for before, after in zip(without.results, (first, second), strict=True):
        untouched = {"traffic": before.counters.traffic, "events": before.counters.events}
        assert replace(after.counters, **untouched) == before.counters  # all cycles and counts
        assert dict(before.counters.events).items() <= dict(after.counters.events).items()
        assert dict(before.counters.traffic).items() <= dict(after.counters.traffic).items()
    added = {k: n for k, n in first.counters.events.items() if k[0] == "operators"}
    assert added == {("operators", a, "operators"): 2 * n for a, n in FOUND["one"].actions.items()}
    whole = {size: -(-2 * size // burst) * burst for size in (100, 30, 65, 18, 70)}
    moved = second.counters.traffic
    assert moved["dram", "operators", "read"] == whole[100] + whole[30]
    assert moved["dram", "operators", "write"] == whole[65]
    assert second.counters.events["dram", "byte", "operators"] == whole[100] + whole[30] + whole[65]
    assert host.counters.traffic_bytes("dram") == 2 * whole[18] + whole[70]
    assert host.counters.events["host", "operation", "host"] == 162
    assert (host.layer.name, host.mode, host.counters.cycles, host.on_host) == (
        "attention", ON_HOST, 0, True,
    )  # fmt: skip
    assert run.cycles == without.cycles
    extra = run.energy_aj - without.energy_aj
    prices = operator_prices(run.spec)
    byte = machine(name).prices(run.spec)["dram", "byte"].attojoules
    counts = {action: 2 * FOUND["one"].actions.get(action, 0) for action in ACTIONS}
    counts["add"] += 2 * 3
    wanted = sum(prices["operators", each].attojoules * n for each, n in counts.items())
    assert extra == wanted + byte * (run.dram_bytes - without.dram_bytes)
    assert run.macs == without.macs


def test_prices_are_those_of_the_cited_tables():
    """Horowitz's adders and multipliers; the smallest memory of CACTI's table."""
    prices = operator_prices(MachineSpec())
    found = {action: price.attojoules for (_, action), price in prices.items()}
    assert found == {
        "lookup": 645_900,
        "compare": 30_000,
        "add": 100_000,
        "multiply": 200_000,
        "rescale": 3_200_000,
        "operation": 0,
    }
    assert "CACTI 7" in prices["operators", "lookup"].source
    other = operator_prices(MachineSpec(energy="accelergy_aladdin"))
    assert "Aladdin" in other["operators", "add"].source
    assert "Accelergy" in other["operators", "lookup"].source
    small = operator_prices(MachineSpec(node_nm=7))
    assert 0 < small["operators", "rescale"].attojoules < 3_200_000


@pytest.mark.parametrize("name", MACHINES)
def test_only_the_host_is_free_and_says_why(name):
    for spec in machine(name).presets.values():
        table = price_table(machine(name), spec)
        free = {key for key in operator_prices(spec) if table[key].attojoules < 1}
        assert free == {("host", "operation")}
        assert table["host", "operation"] == FREE


def test_prices_of_ones_own_replace_them():
    model = machine("systolic")
    spec = next(iter(model.presets.values()))
    own = {("host", "operation"): replace(FREE, attojoules=7)}
    session = Session(model, spec, own)
    session.run(layer("two"))
    run = session.finish("net", "first", found=FOUND)
    assert {c.attojoules for c in run.charges[1] if c.component == "host"} == {7 * 162}


def test_nothing_between_changes_nothing():
    run = ran("systolic")
    assert tuple(with_operators(run.results, {})) == run.results
    lines = charges(run.results[0].counters, price_table(machine("systolic"), run.spec))
    assert total_attojoules(lines) == total_attojoules(run.charges[0])


@pytest.mark.parametrize("name", MACHINES)
def test_the_density_of_signed_activations_is_measured(name):
    """SiLU makes no zeros: a row shows how many there are."""
    pixels = layer("one").activations
    found = ran(name).results[0].provenance["activations"]
    assert found == {"type": "int8", "nonzeros": int((pixels != 0).sum()), "values": pixels.size}
