"""Is every machine charged for DRAM, outputs, leakage and shortcuts, and are waits not free?"""

from collections import Counter

import numpy as np
import pytest

from arch.energy import by_component, charges
from arch.machine import MACHINES, machine, preset
from arch.spec import override
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

LAYER = ConvLayer("conv", C=6, K=5, H=7, W=6, R=3, S=3, padding=(1, 1, 1, 1))


def tensors():
    """Two images, an addition behind the layer, weights that are decomposed for no one."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 3, (2, LAYER.C, LAYER.H, LAYER.W)).astype(np.uint8)
    weights = rng.integers(-1, 2, LAYER.weight_shape).astype(np.int8)
    shortcut = rng.integers(0, 3, (2, LAYER.K, LAYER.P, LAYER.Q)).astype(np.uint8)
    return LayerTensors(LAYER, pixels, weights, shortcut=shortcut)


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_is_charged_for_what_all_share(name: str) -> None:
    model = machine(name)
    spec = next(iter(model.presets.values()))
    counters = model.run(tensors(), spec).result.counters
    events, moved = counters.events, Counter()
    for (level, tensor, _), size in counters.traffic.items():
        if level == "dram":
            moved[tensor] += size
    charged = {key[2]: count for key, count in events.items() if key[:2] == ("dram", "byte")}
    assert {tensor: size for tensor, size in charged.items() if size} == +moved
    assert moved["shortcut"] > 0
    assert events["requantizer", "multiply", "output"] == 2 * LAYER.K * LAYER.P * LAYER.Q
    assert events["leakage", "cycle", "static"] == events["clock", "cycle", "static"]
    assert events["leakage", "cycle", "static"] == counters.cycles


@pytest.mark.parametrize("name", MACHINES)
def test_memories_leak_while_a_machine_waits(name: str) -> None:
    model = machine(name)
    spec = preset(model, next(iter(model.presets)))
    slow = override(spec, {"dram_latency_ns": 100 * spec.dram_latency_ns})
    bills = []
    for each in (spec, slow):
        counters = model.run(tensors(), each).result.counters
        leaked = by_component(charges(counters, model.prices(each)))["leakage"]
        bills.append((counters.cycles, leaked))
    (cycles, leaked), (more_cycles, more_leaked) = bills
    assert more_cycles > cycles
    assert more_leaked * cycles == leaked * more_cycles > 0
