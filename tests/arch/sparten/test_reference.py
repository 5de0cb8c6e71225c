"""Does the fast machine do what the slow one does?  Psums, steps and every counter, exactly."""

import numpy as np
import pytest
from hypothesis import given, settings

from arch.charges import common_events
from arch.dense import int8_weights
from arch.sparten.join import all_joins
from arch.sparten.model import MACHINE
from arch.sparten.plan import plan
from arch.sparten.spec import SpartenSpec
from tests.arch.sparten.cases import cases
from tests.reference.sparten import run_layer
from workloads.convolve import convolve
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def compare(given_tensors, spec):
    layer, pixels = given_tensors.layer, given_tensors.activations
    weights = int8_weights(given_tensors)
    run = MACHINE.run(given_tensors, spec)
    outputs = None
    if given_tensors.requantizer is not None:
        outputs = given_tensors.requantizer.apply(run.psums)
    slow = run_layer(layer, pixels, weights, outputs, spec)
    counters = run.result.counters
    assert np.array_equal(run.psums, slow.psums)
    assert np.array_equal(run.psums, convolve(given_tensors))
    dram = plan(layer, pixels, all_joins(layer, pixels, weights, spec), outputs, spec).dram
    assert dram.lengths.tolist() == slow.lengths
    assert dram.loads["input"].tolist() == slow.input_loads
    assert dram.loads["weight"].tolist() == slow.weight_loads
    assert dram.stores["output"].tolist() == slow.output_stores
    causes = dict(counters.causes)
    assert causes.pop("dram") == spec.units * counters.memory_stall_cycles
    assert causes == {name: slow.causes[name] for name in causes}
    on_chip = {key: size for key, size in counters.traffic.items() if key[0] != "dram"}
    assert on_chip == {key: slow.traffic[key] for key in on_chip}
    assert set(+slow.traffic) <= set(on_chip)
    common = common_events(counters.traffic, counters.cycles, slow.psums.size)
    own = {key: count for key, count in counters.events.items() if key not in common}
    assert own == {key: slow.events[key] for key in own}
    assert set(+slow.events) <= set(own)
    assert counters.multiplies == slow.causes["mac"]


@settings(max_examples=60, deadline=None)
@given(cases())
def test_generated_layers_equal_the_slow_machine(case):
    compare(*case)


@pytest.mark.nightly
@settings(max_examples=3000, deadline=None)
@given(cases())
def test_many_generated_layers_equal_the_slow_machine(case):
    compare(*case)


@pytest.mark.parametrize("sync", ["asynchronous", "broadcast", "chunk"])
@pytest.mark.parametrize("balance", ["none", "software", "hardware"])
def test_passes_of_a_large_filter_equal_the_slow_machine(sync, balance):
    """Filter groups larger than half the filter buffer, held and streamed filters in turn."""
    layer = ConvLayer("deep", C=20, K=5, H=3, W=3, R=2, S=2)
    rng = np.random.default_rng(5)
    pixels = (rng.integers(1, 9, (1, 20, 3, 3)) * (rng.random((1, 20, 3, 3)) < 0.5)).astype(
        np.uint8
    )
    weights = rng.integers(-2, 3, layer.weight_shape).astype(np.int8)
    spec = SpartenSpec(
        clusters=2,
        units_per_cluster=2,
        chunk=8,
        sync=sync,
        balance=balance,
        filter_buffer_bytes=36,
        input_buffer_bytes=18,
        filter_glb_bytes=120,
        output_glb_bytes=100,
    )
    given_tensors = LayerTensors(layer, pixels, weights)
    assert MACHINE.run(given_tensors, spec).result.extras["passes"] > 4
    compare(given_tensors, spec)
