"""Is the plan the best of those it may choose from?  Batches, buffers, and latency."""

from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arch.errors import OperandError
from arch.systolic.gemm import Gemm
from arch.systolic.model import MACHINE
from arch.systolic.plan import plan
from arch.systolic.spec import PRESETS, SystolicSpec
from tests.arch.layers import small_layers
from tests.arch.systolic.cases import specs
from tests.arch.systolic.test_residency import candidates
from workloads.layer import ConvLayer
from workloads.network import network

BUFFERS = ("ifmap_bytes", "filter_bytes", "ofmap_bytes")
SIZES = st.sampled_from((24, 40, 64, 90, 128, 200, 300, 512, 800, 2000))
DRAM = {
    "dram_latency_ns": st.sampled_from((0, 1, 10, 100)),
    "dram_bandwidth_bytes_per_s": st.sampled_from((10**8, 10**9, 25_600_000_000)),
    "dram_burst_bytes": st.sampled_from((1, 64)),
}


@st.composite
def cramped(draw):
    """A small array of any kind with small buffers and any DRAM."""
    dataflow = draw(st.sampled_from(("os", "ws", "is")))
    kinds = ("scalesim", "stonne") if dataflow == "os" else ("scalesim", "preloaded")
    fields = {name: draw(sizes) for name, sizes in DRAM.items()}
    fields |= {name: draw(SIZES) for name in BUFFERS}
    return draw(specs(dataflow, fold_overhead=draw(st.sampled_from(kinds)), **fields))


def counters(layer, spec, images=1):
    try:
        return MACHINE.run_shape(layer, spec, images).result.counters
    except OperandError:
        assume(False)


@settings(max_examples=100, deadline=None)
@given(small_layers(), cramped())
def test_one_image_takes_the_best_of_all_candidates(layer, spec):
    """Bounds that leave candidates out leave out no better one."""
    found = counters(layer, spec)
    costs = [
        (steps.finish(spec), sum(steps.dram(spec).values()))
        for steps in (one.steps() for one in candidates(Gemm(layer, 1), spec))
    ]
    assert (found.cycles, found.dram_bytes) == min(costs)


@settings(max_examples=100, deadline=None)
@given(small_layers(), st.integers(2, 9), cramped())
def test_a_batch_never_costs_more_per_image_than_one(layer, images, spec):
    one, batch = counters(layer, spec), counters(layer, spec, images)
    assert batch.cycles <= images * one.cycles
    assert batch.dram_bytes <= images * one.dram_bytes
    assert batch.macs == images * one.macs


@settings(max_examples=200, deadline=None)
@given(small_layers(), cramped(), st.sampled_from(BUFFERS), st.data())
def test_more_of_a_buffer_never_costs_cycles(layer, spec, buffer, data):
    """One image: what fits the smaller buffer is tried with the larger one, too."""
    larger = getattr(spec, buffer) + data.draw(st.one_of(st.integers(1, 64), SIZES))
    before, after = counters(layer, spec), counters(layer, spec.model_copy(update={buffer: larger}))
    assert after.cycles <= before.cycles


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", ["layer1.0.conv1", "layer3.0.conv1", "layer4.1.conv2", "fc"])
def test_buffers_and_batches_of_resnet18(name, preset):
    layer, spec = network("resnet18")[name].layer, PRESETS[preset]
    one = counters(layer, spec)
    for images in (2, 5):
        batch = counters(layer, spec, images)
        assert batch.cycles <= images * one.cycles
        assert batch.dram_bytes <= images * one.dram_bytes
    for buffer in BUFFERS:
        size = getattr(spec, buffer)
        steps = [spec.model_copy(update={buffer: size + n * size // 3}) for n in range(4)]
        cycles = [counters(layer, step).cycles for step in steps]
        assert all(more <= less for less, more in pairwise(cycles)), buffer


def test_psums_of_a_batch_do_not_spill():
    """layer3.0.conv1 of ResNet-18: 14x14 pixels are as many psums as half the scratchpad holds."""
    layer, spec = network("resnet18")["layer3.0.conv1"].layer, PRESETS["scalesim"]
    planned = plan(layer, spec, 2)
    assert planned.first.images == 1
    assert planned.first.folds.psums_held
    assert planned.steps().loads["psum"].sum() == 0


def test_the_latency_is_paid_once_per_step_and_not_per_fold():
    """1024 folds of 62 cycles fetch 256 B each: 88 cycles alone, 8 beside others in one request."""
    spec = SystolicSpec(rows=16, columns=16, dataflow="ws")
    layer = ConvLayer("gemm", C=512, K=512, H=16, W=1)
    found = counters(layer, spec)
    assert found.compute_cycles == 1024 * 62 - 1
    assert found.memory_stall_cycles < 300
    planned = plan(layer, spec)
    assert planned.first.level == "fold"
    # A scratchpad of two tiles leaves no room for more than one fold's weights in a step.
    two_tiles = spec.model_copy(update={"filter_bytes": 2 * 256})
    assert plan(layer, two_tiles).steps().lengths.size >= 1024
    assert counters(layer, two_tiles).memory_stall_cycles > 1024 * (88 - 62)


def test_small_folds_of_depthwise_layers_share_requests():
    layer = ConvLayer("dw", C=96, K=96, H=14, W=14, R=3, S=3, padding=(1, 1, 1, 1), groups=96)
    found = MACHINE.run_shape(layer, PRESETS["iso"]).result
    assert found.extras["steps"] < found.extras["folds"]
    assert found.counters.memory_stall_cycles * 10 < found.counters.cycles
