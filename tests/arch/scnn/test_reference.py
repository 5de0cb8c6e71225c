"""Does the fast SCNN do what the slow one does?  Cycles, psums, bytes and actions, exactly."""

import numpy as np
from hypothesis import example, given, settings

from arch.outputs import stored_output
from arch.scnn.model import MACHINE
from arch.scnn.spec import ScnnSpec
from tests.arch.scnn.cases import sparse, specs, tensors
from tests.reference import scnn as slow
from workloads.convolve import convolve
from workloads.layer import ConvLayer

WIDE = ConvLayer("wide", C=3, K=40, H=9, W=8, R=3, S=3, padding=(1, 1, 1, 1))
PAIR = ConvLayer("pair", C=4, K=6, H=7, W=7, R=3, S=3, padding=(1, 1, 1, 1), groups=2)
DEEP = ConvLayer("deep", C=2, K=40, H=11, W=12, R=3, S=3, padding=(1, 1, 1, 1))
TALL = ConvLayer("tall", C=4, K=6, H=20, W=6, R=3, S=2, stride=2, padding=(2, 1, 0, 1))


def vector(values, spec):
    return slow.up(values * spec.entry_bits, 8)


def bursts(sizes, spec):
    return sum(slow.up(size, spec.dram_burst_bytes) * spec.dram_burst_bytes for size in sizes)


def check_traffic(counters, found, output, spec):
    counts = found.counts
    port, words = vector(spec.activation_vector, spec), vector(spec.weight_vector, spec)
    inputs, stored = sum(found.inputs), sum(output)
    made, halo = counts["useful"] * spec.psum_bytes, counts["halo words"] * spec.psum_bytes
    expected = {
        ("iaram", "input", "write"): inputs,
        ("iaram", "input", "read"): counts["activation vectors"] * port,
        ("weight_fifo", "weight", "write"): counts["weight vectors"] * words,
        ("weight_fifo", "weight", "read"): counts["blocks"] * words,
        ("accumulator", "psum", "write"): made + halo,
        ("accumulator", "psum", "read"): made + 2 * halo,
        ("neighbour", "psum", "write"): halo,
        ("oaram", "output", "write"): stored,
        ("oaram", "output", "read"): stored,
        ("dram", "input", "read"): bursts(found.inputs, spec),
        ("dram", "weight", "read"): bursts(found.weights, spec),
        ("dram", "output", "write"): bursts(output, spec),
        ("dram", "shortcut", "read"): 0,
    }
    assert dict(counters.traffic) == expected


def check_events(counters, found, output, spec, outputs):
    counts, port = found.counts, vector(spec.activation_vector, spec)
    stored = slow.up(sum(output), port)
    added = counts["useful"] + counts["halo words"]
    expected = {
        ("iaram", "write", "input"): slow.up(sum(found.inputs), port),
        ("iaram", "read", "input"): counts["activation vectors"],
        ("operand_register", "write", "input"): (
            counts["activation vectors"] * spec.activation_vector
        ),
        ("operand_register", "read", "input"): counts["blocks"] * spec.activation_vector,
        ("weight_fifo", "write", "weight"): counts["weight vectors"],
        ("weight_fifo", "read", "weight"): counts["blocks"],
        ("multiplier", "multiply", "psum"): counts["products"],
        ("coordinate", "add", "psum"): 2 * counts["products"],
        ("crossbar", "transfer", "psum"): counts["useful"],
        ("accumulator", "read", "psum"): added + counts["halo words"],
        ("accumulator", "write", "psum"): added,
        ("accumulator", "add", "psum"): added,
        ("accumulator", "read", "output"): outputs,
        ("oaram", "write", "output"): stored,
        ("oaram", "read", "output"): stored,
    }
    found_events = {key: counters.events[key] for key in expected}
    assert found_events == expected


@settings(max_examples=60, deadline=None)
@given(tensors(images=1), specs())
@example(sparse(WIDE, 1, (0.6, 0.5), 1), ScnnSpec(iaram_bytes=60, pe_rows=2))
@example(sparse(TALL, 1, (0.5, 0.2), 3), ScnnSpec(iaram_bytes=90, pe_rows=2, pe_columns=2))
@example(sparse(DEEP, 1, (0.5, 0.4), 2), ScnnSpec(accumulator_entries=64, pe_rows=2))
@example(sparse(PAIR, 1, (0.8, 0.5), 4), ScnnSpec(iaram_bytes=16, pe_rows=2, pe_columns=2))
def test_the_plan_and_its_counts_equal_the_slow_machine(given_tensors, spec):
    layer, image = given_tensors.layer, given_tensors.activations[0].tolist()
    output, _ = stored_output(given_tensors, convolve(given_tensors))
    weights = given_tensors.weights.tolist()
    found = slow.run(layer, spec, weights, image, output[0].tolist())
    run = MACHINE.run(given_tensors, spec)
    counters, extras = run.result.counters, run.result.extras
    assert np.array_equal(run.psums[0], found.psums)
    assert np.array_equal(run.psums, convolve(given_tensors))
    assert counters.cycles == found.cycles
    assert extras["strips"] == len(found.plan.strips)
    assert extras["input_streamed"] == found.plan.streamed
    assert extras["steps"] == len(found.steps)
    assert counters.compute_cycles == found.compute
    assert counters.drain_cycles == found.halo
    assert {name: counters.causes[name] for name in found.causes} == found.causes
    assert counters.multiplies == found.counts["products"]
    assert counters.effectual_ops == found.counts["pairs"]
    if spec.skip_zeros:
        assert found.counts["pairs"] == found.counts["useful"]
    check_traffic(counters, found, found.outputs, spec)
    check_events(counters, found, found.outputs, spec, run.psums.size)
