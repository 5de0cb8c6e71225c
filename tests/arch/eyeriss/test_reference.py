"""Does the fast Eyeriss do what the slow one does, in every integer?"""

import numpy as np
from hypothesis import given, settings

from arch.errors import OperandError
from arch.eyeriss.mapping import mappings
from arch.eyeriss.model import MACHINE, coded_maps
from arch.memory import Traffic, schedule
from arch.outputs import stored_output
from tests.arch.eyeriss.cases import specs, tensors
from tests.reference.eyeriss import run_layer
from workloads.convolve import convolve


def timeline(trace, spec):
    """The DRAM of the slow steps: without overlap inputs wait behind the step before."""

    def bursts(size):
        return -(-size // spec.dram_burst_bytes) * spec.dram_burst_bytes

    steps = []
    for length, loads, stores in zip(trace.lengths, trace.loads, trace.stores, strict=True):
        inputs, weights, out = (
            bursts(size) for size in (loads["input"], loads["weight"], stores["output"])
        )
        if spec.dram_overlap == "on":
            steps.append((inputs + weights, out, length))
        else:
            steps += [(weights, 0, 0), (inputs, out, length)]
    return schedule(Traffic(*np.array(steps, np.int64).T.copy()), spec)


def chosen(given_tensors, spec):
    """The mapper's choice for these tensors."""
    output, _ = stored_output(given_tensors, convolve(given_tensors).astype(np.int32))
    maps = coded_maps(given_tensors, output, spec)
    return mappings(given_tensors.layer, spec, given_tensors.images, maps)


@settings(max_examples=120, deadline=None)
@given(tensors(), specs())
def test_every_integer_is_that_of_the_slow_machine(given_tensors, spec):
    try:
        choices = chosen(given_tensors, spec)
    except OperandError:
        return  # what does not fit is tested elsewhere
    trace = run_layer(given_tensors, spec, choices)
    run = MACHINE.run(given_tensors, spec)
    assert run.result.extras["images_apart"] == (len(choices) > 1)
    counters = run.result.counters
    np.testing.assert_array_equal(run.psums, trace.psums.astype(np.int64))
    np.testing.assert_array_equal(run.psums, convolve(given_tensors))
    when = timeline(trace, spec)
    assert counters.cycles == when.cycles
    assert counters.compute_cycles + counters.drain_cycles == sum(trace.lengths)
    assert counters.memory_stall_cycles == when.stall_cycles
    causes = {name: count for name, count in counters.causes.items() if count and name != "dram"}
    assert causes == {name: count for name, count in trace.causes.items() if count}
    assert counters.multiplies == trace.multiplies
    assert counters.effectual_ops == trace.effectual
    on_chip = {key: n for key, n in counters.traffic.items() if n and key[0] != "dram"}
    assert on_chip == {key: n for key, n in trace.traffic.items() if n}
    common = ("dram", "leakage", "clock", "requantizer")
    events = {key: n for key, n in counters.events.items() if n and key[0] not in common}
    assert events == {key: n for key, n in trace.events.items() if n}
