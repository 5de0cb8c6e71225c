"""Conservation, closed forms, limits, refusals and presets of Eyeriss v2."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from arch.basis_first.spec import BasisFirstSpec
from arch.energy import by_component, by_tensor, charges, total_attojoules
from arch.errors import OperandError, SpecError
from arch.eyeriss_v2.mapping import Mapping
from arch.eyeriss_v2.model import MACHINE
from arch.eyeriss_v2.spec import PRESETS, EyerissV2Spec
from arch.eyeriss_v2.stored import most_input_bits
from arch.spec import override
from arch.systolic.spec import PRESETS as SYSTOLIC
from arch.threads import using_threads
from tests.arch.eyeriss_v2.cases import laid_out, planned, specs, tensors
from workloads.convolve import convolve
from workloads.layer import ConvLayer
from workloads.requantize import Requantizer
from workloads.tensors import LayerTensors

CONV = ConvLayer("conv", C=16, K=24, H=12, W=12, R=3, S=3, padding=(1, 1, 1, 1))
DEPTHWISE = ConvLayer("dw", C=8, K=8, H=6, W=6, R=3, S=3, padding=(1, 1, 1, 1), groups=8)
HUGE = {
    "iact_glb_bytes": 1 << 20,
    "psum_glb_bytes": 1 << 20,
    "weight_spad_words": 96,
    "dram_bandwidth_bytes_per_s": 10**18,
}
ROOMY = {"iact_glb_bytes": 4096, "psum_glb_bytes": 8192, "weight_spad_words": 96}


def random_tensors(layer, density=0.5, seed=7, **fields):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(1, 256, (1, layer.C, layer.H, layer.W))
    weights = rng.integers(1, 128, layer.weight_shape)
    pixels *= rng.random(pixels.shape) < density
    weights *= rng.random(weights.shape) < density
    return LayerTensors(layer, pixels.astype(np.uint8), weights.astype(np.int8), **fields)


def ones(layer):
    shape = (1, layer.C, layer.H, layer.W)
    return LayerTensors(layer, np.ones(shape, np.uint8), np.ones(layer.weight_shape, np.int8))


@settings(max_examples=40, deadline=None)
@given(tensors(), specs(**ROOMY))
def test_nothing_leaks(given_tensors, spec):
    counters = MACHINE.run(given_tensors, spec).result.counters
    assert sum(counters.causes.values()) == spec.lanes * counters.cycles
    assert counters.causes["mac"] == counters.effectual_ops <= counters.multiplies
    assert counters.multiplies == counters.causes["mac"] + counters.causes["zero_operand"]
    for tensor in ("input", "weight", "output"):
        assert counters.traffic_bytes("dram", tensor=tensor) >= 0
    glb = {key[1:]: size for key, size in counters.traffic.items() if key[0] == "glb"}
    assert glb["psum", "read"] == glb["psum", "write"]
    lines = charges(counters, MACHINE.prices(spec))
    total = total_attojoules(lines)
    assert sum(by_component(lines).values()) == sum(by_tensor(lines).values()) == total > 0


@settings(max_examples=40, deadline=None)
@given(tensors(), specs(**ROOMY, processing="csc"), st.data())
def test_a_zero_iact_never_adds_work(given_tensors, spec, data):
    """By the same mapping less of them is never slower, DRAM left out."""
    mapping = planned(given_tensors, spec).mapping
    before = laid_out(given_tensors, mapping, spec)
    pixels = given_tensors.activations.copy()
    pixels.ravel()[data.draw(st.integers(0, pixels.size - 1))] = 0
    fewer = LayerTensors(given_tensors.layer, pixels, given_tensors.weights)
    after = laid_out(fewer, mapping, spec)
    assert after.steps.cycles <= before.steps.cycles
    assert after.causes["mac"] <= before.causes["mac"]
    assert after.pipeline_cycles <= before.pipeline_cycles or spec.weight_loading == "overlapped"
    way = ("glb", "input", "read")
    assert after.traffic[way] <= before.traffic[way]


@settings(max_examples=30, deadline=None)
@given(tensors(density=1.0), specs(**HUGE, processing="dense"))
def test_without_zeros_and_padding_skipping_saves_nothing(given_tensors, spec):
    """Where all is non-zero the compressed machine does what the dense one does, slot by slot."""
    layer = given_tensors.layer
    bare = replace(layer, padding=(0,) * 4, H=layer.H + 3, W=layer.W + 5)
    mapping = planned(ones(bare), spec).mapping
    dense = laid_out(ones(bare), mapping, spec)
    sparse = laid_out(ones(bare), mapping, override(spec, {"processing": "csc"}))
    assert sparse.multiplies == dense.multiplies == bare.macs
    assert sparse.steps.cycles == dense.steps.cycles
    assert sparse.steps.cycles * spec.lanes >= bare.macs
    for cause in ("mac", "simd_padding", "imbalance", "idle_mapping", "weight_load", "fill"):
        assert sparse.causes[cause] == dense.causes[cause], cause
    assert {**sparse.extras, "iacts_skipped": False} == dense.extras


def test_a_layer_that_divides_evenly_fills_every_multiplier():
    """24 rows as 3 sets of 8 x 12 channels, 4 x 16 filters and 6 rows at once: 384 every cycle."""
    layer = ConvLayer("even", C=96, K=64, H=6, W=8)
    mapping = Mapping(
        layer, 1, M0=16, C0=12, S0=1, D=8, g1=1, m1=4, e1=6, f1=1, tile_rows=6, held=True
    )
    done = laid_out(ones(layer), mapping, PRESETS["published"])
    assert (done.steps.cycles - done.pipeline_cycles) * 384 == layer.macs
    assert done.causes["imbalance"] == done.causes["idle_mapping"] == 0
    assert done.pipeline_cycles == 7 + 96  # a PE takes one word of weights a cycle
    assert MACHINE.run(ones(layer), PRESETS["published"]).result.counters.cycles <= (
        done.steps.finish(PRESETS["published"])
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(tensors(), specs())
def test_the_mapper_keeps_to_every_memory(given_tensors, spec):
    try:
        found = planned(given_tensors, spec)
    except OperandError:
        reject()
    layer, mapping = given_tensors.layer, found.mapping
    assert spec.psum_spad_words >= mapping.M0
    window = min(spec.weight_spad_columns, spec.iact_spad_words)
    assert window >= mapping.C0 * mapping.S0
    assert found.passes.most.max() <= spec.usable_weight_words
    assert spec.array_rows >= mapping.D
    sets = mapping.g1 * mapping.m1 * mapping.e1 * mapping.f1
    assert sets <= spec.array_columns * (spec.array_rows // mapping.D)
    assert mapping.row_pieces.size - 1 == mapping.f1
    assert mapping.used_pes().max() <= spec.pes
    filters = min(mapping.filters, mapping.m1 * mapping.M0) * mapping.g1
    psums = int(np.diff(mapping.tiles).max()) * layer.Q * filters
    assert psums * spec.psum_bits <= spec.psum_glb_bytes // 2 * 8
    channels = layer.channels_per_group
    if not mapping.held:
        first, last = mapping.channel_pieces
        channels = min(channels, mapping.C0 * int((last - first).max()))
    rows = max(mapping.input_rows(tile).size for tile in range(mapping.shape[0]))
    bits = most_input_bits(mapping, rows, channels, spec) * mapping.g1
    assert bits <= spec.iact_glb_bytes // 2 * 8


@pytest.mark.parametrize("layer", [CONV, DEPTHWISE])
def test_threads_do_not_change_an_integer(layer):
    given_tensors = random_tensors(layer)
    with using_threads(1):
        one = MACHINE.run(given_tensors, PRESETS["tiny"]).result
    with using_threads(2):
        two = MACHINE.run(given_tensors, PRESETS["tiny"]).result
    assert one.counters == two.counters
    assert one.extras == two.extras


@pytest.mark.parametrize(("macs", "slots"), [(1, 5 + 5 + 2), (2, 3 + 3 + 1), (4, 2 + 2 + 1)])
def test_odd_columns_pad_the_last_slot_by_hand(macs, slots):
    """Three channels: two iacts with columns of 5 weights, one with 2, one iact is zero."""
    layer = ConvLayer("fc", C=4, K=5, H=1, W=1)
    weights = np.ones((5, 4, 1, 1), np.int8)
    weights[:3, 2] = 0
    pixels = np.array([7, 7, 7, 0], np.uint8).reshape(1, 4, 1, 1)
    spec = override(PRESETS["pe_v2"], {"macs_per_pe": macs})
    result = MACHINE.run(LayerTensors(layer, pixels, weights), spec).result
    assert result.extras["slots"] == result.counters.compute_cycles == slots
    assert result.counters.multiplies == result.counters.effectual_ops == 12
    assert result.counters.causes["simd_padding"] == macs * slots - 12


def test_empty_columns_and_zero_iacts_take_no_cycle():
    layer = ConvLayer("fc", C=4, K=5, H=1, W=1)
    pixels = np.ones((1, 4, 1, 1), np.uint8)
    nothing = LayerTensors(layer, pixels, np.zeros(layer.weight_shape, np.int8))
    assert MACHINE.run(nothing, PRESETS["pe_v2"]).result.counters.compute_cycles == 0
    dark = LayerTensors(layer, 0 * pixels, np.ones(layer.weight_shape, np.int8))
    assert MACHINE.run(dark, PRESETS["pe_v2"]).result.counters.compute_cycles == 0


def test_a_long_run_of_zeros_takes_a_placeholder_that_is_multiplied():
    layer = ConvLayer("fc", C=1, K=20, H=1, W=1)
    weights = np.zeros(layer.weight_shape, np.int8)
    weights[17] = 3
    wide = LayerTensors(
        ConvLayer("fc", C=2, K=20, H=1, W=1),
        np.ones((1, 2, 1, 1), np.uint8),
        np.concatenate([weights, weights], axis=1),
    )
    counters = MACHINE.run(wide, PRESETS["pe_v2"]).result.counters
    assert (counters.effectual_ops, counters.multiplies) == (2, 4)
    longer = override(PRESETS["pe_v2"], {"count_bits": 5})
    assert MACHINE.run(wide, longer).result.counters.multiplies == 2


def test_depthwise_layers_skip_no_iact_but_weights():
    """Sparseloop's ground truth: all positions, padding included, times non-zero weights."""
    given_tensors = random_tensors(DEPTHWISE, 0.4)
    counters = MACHINE.run(given_tensors, PRESETS["pe_v2"]).result.counters
    positions = DEPTHWISE.P * DEPTHWISE.Q
    assert counters.compute_cycles == positions * np.count_nonzero(given_tensors.weights)
    assert counters.effectual_ops < counters.multiplies


def test_dense_processing_takes_the_same_time_whatever_the_values():
    spec = override(PRESETS["tiny"], {"processing": "dense"})
    empty, full = (MACHINE.run(random_tensors(CONV, d), spec).result for d in (0.1, 1.0))
    assert empty.counters.cycles == full.counters.cycles
    assert empty.counters.traffic == full.counters.traffic
    assert empty.counters.multiplies == CONV.macs > empty.counters.effectual_ops
    assert empty.mode == "dense"


def test_overlapped_loading_hides_weights_behind_work():
    given_tensors = random_tensors(CONV)
    exposed = MACHINE.run(given_tensors, PRESETS["tiny"]).result.counters.causes
    hidden = override(PRESETS["tiny"], {"weight_loading": "overlapped"})
    causes = MACHINE.run(given_tensors, hidden).result.counters.causes
    assert causes["weight_load"] < exposed["weight_load"]


def test_batches_share_the_weights_of_a_tile():
    layer = ConvLayer("fc", C=64, K=40, H=1, W=1)
    rng = np.random.default_rng(1)
    weights = rng.integers(-9, 9, layer.weight_shape).astype(np.int8)
    pixels = rng.integers(0, 9, (4, 64, 1, 1)).astype(np.uint8)
    one = MACHINE.run(LayerTensors(layer, pixels[:1].copy(), weights), PRESETS["iso"])
    four = MACHINE.run(LayerTensors(layer, pixels, weights), PRESETS["iso"])
    dram = [r.result.counters.traffic_bytes("dram", tensor="weight") for r in (one, four)]
    assert dram[1] < 2 * dram[0]
    assert np.array_equal(four.psums[:1], one.psums)


def test_decomposed_weights_run_as_dense_ones():
    rng = np.random.default_rng(3)
    given_tensors = LayerTensors(
        ConvLayer("c", C=2, K=2, H=4, W=4, R=2, S=2),
        rng.integers(0, 9, (1, 2, 4, 4)).astype(np.uint8),
        basis=rng.integers(-9, 9, (2, 2, 2)).astype(np.int8),
        coefficients=rng.integers(-1, 2, (2, 2, 2)).astype(np.int8),
    )
    run = MACHINE.run(given_tensors, PRESETS["iso"])
    assert np.array_equal(run.psums, convolve(given_tensors))


def test_iso_has_the_resources_of_the_systolic_array():
    resources = MACHINE.resources(PRESETS["iso"])
    assert resources.sram_bytes == SYSTOLIC["iso"].sram_bytes == 589_824
    assert resources.multipliers == resources.adders == SYSTOLIC["iso"].units == 1024
    for name in ("clock_hz", "node_nm", "dram", "dram_bandwidth_bytes_per_s", "dram_latency_ns"):
        assert getattr(PRESETS["iso"], name) == getattr(SYSTOLIC["iso"], name), name
    assert resources.area_mm2 > 0
    assert next(iter(PRESETS)) == "iso"


def test_published_is_the_chip():
    spec = PRESETS["published"]
    assert (spec.pes, spec.lanes, spec.clusters) == (192, 384, 16)
    assert (spec.array_rows, spec.array_columns) == (24, 8)
    assert spec.iact_glb_bytes + spec.psum_glb_bytes == 192 * 1024
    assert spec.spad_bits["weight_spad"] == 96 * 24
    assert spec.spad_bits["iact_spad"] == 16 * 12


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("family", ["horowitz_cacti", "accelergy_aladdin"])
def test_presets_price_every_event(name, family):
    spec = override(PRESETS[name], {"energy": family, "psum_bits": 32})
    counters = MACHINE.run(random_tensors(CONV), spec).result.counters
    lines = charges(counters, MACHINE.prices(spec))
    assert {line.component for line in lines if line.price.attojoules == 0} == {"clock"}
    assert all(line.price.source for line in lines)


def test_psums_beyond_the_spad_are_refused():
    layer = ConvLayer("fc", C=20, K=1, H=1, W=1)
    bright = LayerTensors(
        layer, np.full((1, 20, 1, 1), 255, np.uint8), np.full(layer.weight_shape, 127, np.int8)
    )
    refusing = override(PRESETS["published"], {"wide_psums": "refuse"})
    with pytest.raises(OperandError, match="fc: a psum of 647700 leaves the 20 bits of psum_bits"):
        MACHINE.run(bright, refusing)
    told = MACHINE.run(bright, PRESETS["published"]).result
    assert told.extras["psum_bits_needed"] == 21
    assert (
        told.counters
        == MACHINE.run(
            bright, refusing.model_copy(update={"wide_psums": "truncate"})
        ).result.counters
    )


def test_wide_outputs_shapes_and_other_specs_are_refused():
    requantizer = Requantizer(np.ones(24, np.int32), np.zeros(24, np.int32), 4, -1000, 1000)
    with pytest.raises(OperandError, match="conv: outputs are 2 bytes wide"):
        MACHINE.run(random_tensors(CONV, requantizer=requantizer), PRESETS["iso"])
    with pytest.raises(OperandError, match="conv: eyeriss_v2 needs tensors, not only shapes"):
        MACHINE.run_shape(CONV, PRESETS["iso"])
    with pytest.raises(TypeError, match="eyeriss_v2: spec is a BasisFirstSpec"):
        MACHINE.run(ones(CONV), BasisFirstSpec())


def test_a_row_that_fits_no_buffer_is_refused():
    small = override(PRESETS["tiny"], {"iact_glb_bytes": 8})
    with pytest.raises(OperandError, match=r"conv: no mapping fits: .* iact_glb_bytes = 8"):
        MACHINE.run(random_tensors(CONV), small)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"grid_rows": 0}, "grid_rows = 0: wanted a whole number 1 to"),
        ({"macs_per_pe": 5}, "macs_per_pe = 5"),
        ({"processing": "rle"}, "processing = 'rle': wanted 'csc' or 'dense'"),
        ({"iact_spad_words": 17}, "iact_spad_words = 17"),
        ({"weight_spad_words": 1, "weight_loading": "overlapped"}, "leaves no word for a half"),
        ({"psum_bits": 33}, "psum_bits = 33"),
        ({"operand_bytes": 2}, "operand_bytes = 2"),
        ({"rows": 2}, "unknown field 'rows'"),
    ],
)
def test_bad_fields_are_refused(fields, message):
    with pytest.raises(SpecError, match=message):
        override(PRESETS["iso"], fields)


def test_default_spec_is_the_published_array():
    assert EyerissV2Spec().sram_bytes == PRESETS["published"].sram_bytes


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(tensors(images=3), specs())
def test_a_batch_costs_no_more_than_its_images_alone(given_tensors, spec):
    layer, cycles, moved = given_tensors.layer, 0, 0
    try:
        batch = MACHINE.run(given_tensors, spec).result.counters
    except OperandError:
        reject()
    for image in given_tensors.activations:
        one = LayerTensors(layer, image[None].copy(), given_tensors.weights)
        alone = MACHINE.run(one, spec).result.counters
        cycles, moved = cycles + alone.cycles, moved + alone.dram_bytes
    assert batch.cycles <= cycles
    assert batch.dram_bytes <= moved
