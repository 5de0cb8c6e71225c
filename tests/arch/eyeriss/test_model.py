"""Laws, closed forms, refusals and presets of Eyeriss."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from arch.basis_first.spec import BasisFirstSpec
from arch.energy import by_component, by_tensor, charges, total_attojoules
from arch.errors import OperandError, SpecError
from arch.eyeriss.mapping import mapping
from arch.eyeriss.model import MACHINE
from arch.eyeriss.spec import PRESETS, EyerissSpec
from arch.spec import MachineSpec, override
from arch.threads import using_threads
from tests.arch.eyeriss.cases import specs, tensors
from tests.reference.eyeriss import Slow
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

CONV = ConvLayer("conv", C=6, K=8, H=12, W=12, R=3, S=3, padding=(1, 1, 1, 1))


def ones(layer, pixel=1, weight=1, images=1):
    pixels = np.full((images, layer.C, layer.H, layer.W), pixel, np.uint8)
    return LayerTensors(layer, pixels, np.full(layer.weight_shape, weight, np.int8))


def fitting(given_tensors, spec):
    try:
        return MACHINE.run(given_tensors, spec)
    except OperandError:  # refusals are tested below
        return None


@settings(max_examples=60, deadline=None)
@given(tensors(), specs())
def test_nothing_leaks(given_tensors, spec):
    run = fitting(given_tensors, spec)
    if run is None:
        return
    counters = run.result.counters
    assert sum(counters.causes.values()) == spec.units * counters.cycles
    assert counters.causes["mac"] + counters.causes["gated"] == counters.macs
    assert counters.effectual_ops <= counters.multiplies <= counters.macs
    # One multiplication per PE and cycle: dense work is the least there is.
    assert counters.compute_cycles * spec.units >= counters.macs
    lines = charges(counters, MACHINE.prices(spec))
    total = total_attojoules(lines)
    assert sum(by_component(lines).values()) == sum(by_tensor(lines).values()) == total > 0


@settings(max_examples=30, deadline=None)
@given(tensors(), specs())
def test_zeros_save_energy_and_bytes_but_no_cycle_of_the_array(given_tensors, spec):
    run = fitting(given_tensors, spec)
    if run is None:
        return
    real = run.result
    if real.extras["images_apart"]:
        return
    same = override(spec, {"mapping": real.extras["mapping"]})
    shape = MACHINE.run_shape(given_tensors.layer, same, given_tensors.images).result
    assert real.counters.compute_cycles == shape.counters.compute_cycles
    assert real.counters.drain_cycles == shape.counters.drain_cycles
    assert real.extras["mapping"] == shape.extras["mapping"]
    assert real.counters.multiplies <= shape.counters.multiplies == shape.counters.macs


def test_a_layer_that_fills_the_array_is_bounded_by_its_multiplications():
    """12 x 14 PEs, four 3-row sets of 14 columns: all 168 PEs work in every window."""
    layer = ConvLayer("even", C=4, K=16, H=16, W=30, R=3, S=3)
    spec = override(PRESETS["published"], {"mapping": "16,1,14,16,1,4,1"})
    result = MACHINE.run_shape(layer, spec).result
    assert result.extras["active_pes"] == 168
    windows = 28  # columns of the output
    window = 16 * 3  # filters x taps, one channel per set
    sent = 4 * 16 * 3  # first inputs, one word per cycle
    weights = -(-4 * 16 * 9 // 4)
    fill = max(window, sent, weights)
    stream = max(window * 27, 4 * 16 * 30 - sent, -(-16 * 14 * 27 // 4))
    assert result.counters.compute_cycles == fill + stream
    assert result.counters.causes["mac"] == layer.macs == 168 * window * windows


@pytest.mark.parametrize("strip", [1, 2, 5])
def test_a_strip_under_padding_alone_fetches_nothing(strip):
    """Rows above and below a 4x2 image: 1x1 outputs of which 3 of 7 rows see no pixel."""
    layer = ConvLayer("edge", C=1, K=1, H=4, W=2, padding=(1, 2, 0, 0))
    given_tensors = replace(ones(layer), producers=("before",))
    spec = override(PRESETS["iso"], {"mapping": f"1,1,{strip},1,1,1,1", "dram_burst_bytes": 1})
    run = MACHINE.run(given_tensors, spec)
    trace = Slow(given_tensors, spec, mapping(layer, spec)).run()
    found = run.result.counters.traffic["dram", "input", "read"]
    assert found == sum(loads["input"] for loads in trace.loads) > 0
    assert np.array_equal(run.psums, trace.psums.astype(np.int32))


def test_threads_change_nothing():
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 3, (2, CONV.C, CONV.H, CONV.W)).astype(np.uint8)
    weights = rng.integers(-9, 9, CONV.weight_shape).astype(np.int8)
    given_tensors = LayerTensors(CONV, pixels, weights, producers=("before",))
    found = []
    for count in (1, 2, 3):
        with using_threads(count):
            found.append(MACHINE.run(given_tensors, PRESETS["tiny"]).result)
    assert all(each == found[0] for each in found)


def test_without_overlap_loads_wait_for_the_step_before():
    layer = replace(CONV, C=64, K=64)
    mapping_of = {"mapping": "64,1,12,16,4,1,1", "dram_latency_ns": 0}
    spec = override(PRESETS["published"], mapping_of)
    off = MACHINE.run_shape(layer, spec).result
    on = MACHINE.run_shape(layer, override(spec, {"dram_overlap": "on"})).result
    assert off.extras["steps"] == on.extras["steps"] == 16
    assert off.counters.compute_cycles == on.counters.compute_cycles
    assert off.counters.memory_stall_cycles > on.counters.memory_stall_cycles


@pytest.mark.parametrize(
    ("layer", "fields", "message"),
    [
        (replace(CONV, R=13, H=20, name="tall"), {}, r"tall: the kernel has R = 13 rows"),
        (replace(CONV, S=13, W=20, name="wide"), {}, r"wide: an input window is 13 words wide"),
        (
            CONV,
            {"mapping": "8,1,12,8,12,1,1"},
            r"conv: mapping = '8,1,12,8,12,1,1': q input windows exceed ifmap_spad_words",
        ),
        (CONV, {"mapping": "8,1,12,8,1,5,1"}, r"r stacked PE sets exceed the rows"),
        (CONV, {"mapping": "9,1,12,2,1,1,1"}, r"m is no multiple of p x t"),
        (CONV, {"glb_bytes": 100, "bank_bytes": 50}, r"conv: no mapping fits: .*glb_bytes = 100"),
    ],
)
def test_what_does_not_fit_is_named(layer, fields, message):
    spec = override(PRESETS["published"], fields)
    with pytest.raises(OperandError, match=message):
        MACHINE.run_shape(layer, spec)


def test_bad_fields_are_named():
    for text in ("1,2,3", "a,b,c,d,e,f,g", "0,1,1,1,1,1,1", "1_0,1,1,1,1,1,1", "65537,1,1,1,1,1,1"):
        with pytest.raises(SpecError, match=r"mapping = .*wanted 'auto' or seven whole"):
            override(PRESETS["iso"], {"mapping": text})
    with pytest.raises(TypeError, match="eyeriss: spec is a BasisFirstSpec"):
        MACHINE.run_shape(CONV, BasisFirstSpec())
    with pytest.raises(OperandError, match="conv: images is 0"):
        MACHINE.run_shape(CONV, PRESETS["iso"], 0)
    assert issubclass(EyerissSpec, MachineSpec)


def test_wide_psums_are_refused_where_asked():
    layer = ConvLayer("fc", C=300, K=1, H=1, W=1)
    heavy = ones(layer, 255, 127)
    with pytest.raises(OperandError, match="leaves the 16 bits of psum_bits"):
        MACHINE.run(heavy, override(PRESETS["iso"], {"psum_bits": 16}))
    truncated = MACHINE.run(heavy, override(PRESETS["published"], {"wide_psums": "truncate"}))
    assert truncated.result.extras["psum_bits_needed"] == 25  # 300 x 255 x 127 < 2^24


def test_what_is_coded():
    """Every map but the network's own input, whoever made the tensors."""
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 3, (1, CONV.C, CONV.H, CONV.W)).astype(np.uint8)
    own = LayerTensors(CONV, pixels, np.ones(CONV.weight_shape, np.int8), origin="file")

    def coding(given_tensors, **fields):
        spec = override(PRESETS["published"], fields)
        extras = MACHINE.run(given_tensors, spec).result.extras
        return extras["input_coding"], extras["output_coding"]

    image = replace(own, origin="captured")
    bright = replace(own, origin="synthetic", activations=pixels + np.uint8(1))
    assert coding(own) == coding(replace(image, producers=("before",))) == ("rlc", "rlc")
    assert coding(replace(own, origin="synthetic")) == ("rlc", "rlc")
    assert coding(image) == coding(bright) == ("raw", "rlc")
    assert coding(image, compression="all") == ("rlc", "rlc")
    assert coding(own, compression="off") == ("raw", "raw")
    assert MACHINE.run(own, PRESETS["iso"]).result.extras["output_shift"] == 0


def test_presets():
    iso, published = PRESETS["iso"], PRESETS["published"]
    assert next(iter(PRESETS)) == "iso"
    assert (iso.units, iso.sram_bytes, iso.clock_hz, iso.node_nm) == (
        1024,
        589_824,
        800_000_000,
        45,
    )
    assert (published.units, published.glb_bytes + published.filter_glb_bytes) == (168, 110_592)
    assert published.pairs_per_word == 3
    for spec in PRESETS.values():
        assert MACHINE.resources(spec).area_mm2 > 0
