"""Conservation, closed forms, refusals and presets of the systolic array."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.basis_first.spec import BasisFirstSpec
from arch.energy import by_component, by_tensor, charges, total_attojoules
from arch.errors import OperandError, SpecError
from arch.spec import MachineSpec, override
from arch.systolic.model import MACHINE
from arch.systolic.spec import PRESETS, SystolicSpec
from tests.arch.layers import small_layers
from tests.arch.systolic.cases import specs, tensors
from workloads.convolve import convolve
from workloads.layer import ConvLayer
from workloads.requantize import Requantizer
from workloads.tensors import LayerTensors

CONV = ConvLayer("conv", C=16, K=24, H=12, W=12, R=3, S=3, padding=(1, 1, 1, 1))
NO_WAIT = {"dram_latency_ns": 0, "dram_bandwidth_bytes_per_s": 10**18}


def random_tensors(layer, *, images=1, **fields):
    rng = np.random.default_rng(7)
    pixels = rng.integers(0, 256, (images, layer.C, layer.H, layer.W)).astype(np.uint8)
    weights = rng.integers(-128, 128, layer.weight_shape).astype(np.int8)
    return LayerTensors(layer, pixels, weights, **fields)


@settings(max_examples=60, deadline=None)
@given(tensors(), specs())
def test_shape_and_tensors_give_the_same_counts(given_tensors, spec):
    """The array skips nothing: values change no count but that of effectual operations."""
    layer, images = given_tensors.layer, given_tensors.images
    real = MACHINE.run(given_tensors, spec).result
    shape = MACHINE.run_shape(layer, spec, images).result
    assert dataclasses.replace(real.counters, effectual_ops=None) == shape.counters
    assert real.extras == shape.extras
    counters = real.counters
    assert counters.macs == counters.multiplies == images * layer.macs
    assert counters.causes["mac"] == counters.macs


@settings(max_examples=100, deadline=None)
@given(small_layers(), st.integers(1, 2), specs())
def test_nothing_leaks(layer, images, spec):
    counters = MACHINE.run_shape(layer, spec, images).result.counters
    assert sum(counters.causes.values()) == spec.units * counters.cycles
    outputs = images * layer.K * layer.P * layer.Q
    glb = {key[1:]: size for key, size in counters.traffic.items() if key[0] == "glb"}
    assert glb["output", "write"] == glb["output", "read"] == outputs * spec.operand_bytes
    assert glb["psum", "read"] == glb["psum", "write"]
    # No weight is filled in without being read; inputs between the taps may be.
    assert glb["weight", "read"] >= glb["weight", "write"]
    for tensor in ("input", "weight"):
        assert counters.traffic_bytes("dram", tensor=tensor) >= glb[tensor, "write"]
    lines = charges(counters, MACHINE.prices(spec))
    total = total_attojoules(lines)
    assert sum(by_component(lines).values()) == sum(by_tensor(lines).values()) == total > 0


@settings(max_examples=30, deadline=None)
@given(small_layers(), specs())
def test_an_unlimited_dram_waits_at_most_a_cycle_per_request(layer, spec):
    """No latency and one cycle per run: a step waits for its own load and an older store."""
    counters = MACHINE.run_shape(layer, override(spec, NO_WAIT)).result.counters
    steps = MACHINE.run_shape(layer, override(spec, NO_WAIT)).result.extras["steps"]
    assert counters.memory_stall_cycles <= 2 + 2 * steps
    slow = MACHINE.run_shape(layer, spec).result.counters
    assert slow.compute_cycles == counters.compute_cycles
    assert slow.memory_stall_cycles >= counters.memory_stall_cycles


def test_unlimited_bandwidth_waits_for_the_first_load_and_the_last_store_only():
    result = MACHINE.run_shape(CONV, SystolicSpec(**NO_WAIT)).result
    assert result.counters.memory_stall_cycles == 2


def test_a_lower_bandwidth_never_helps():
    cycles = [
        MACHINE.run_shape(CONV, SystolicSpec(dram_bandwidth_bytes_per_s=rate)).result.counters
        for rate in (100_000_000, 1_000_000_000, 25_600_000_000)
    ]
    assert cycles[0].cycles > cycles[1].cycles > cycles[2].cycles
    assert len({counters.compute_cycles for counters in cycles}) == 1
    assert cycles[0].peak_bandwidth <= 100_000_000


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_a_group_is_a_product_of_its_own(dataflow):
    spec = SystolicSpec(dataflow=dataflow, rows=4, columns=4, dram_burst_bytes=1)
    whole = ConvLayer("dw", C=6, K=12, H=7, W=7, R=3, S=3, groups=6)
    one = ConvLayer("dw", C=1, K=2, H=7, W=7, R=3, S=3)
    together = MACHINE.run_shape(whole, spec).result.counters
    alone = MACHINE.run_shape(one, spec).result.counters
    assert together.compute_cycles == 6 * alone.compute_cycles
    assert together.dram_bytes == 6 * alone.dram_bytes


def test_the_images_of_a_pass_stream_as_more_output_pixels():
    spec = SystolicSpec(rows=4, columns=8)
    given_tensors = random_tensors(CONV, images=3)
    run = MACHINE.run(given_tensors, spec)
    assert np.array_equal(run.psums, convolve(given_tensors))
    assert run.psums.dtype == np.int32
    assert run.psums.flags.c_contiguous
    assert run.result.images == 3
    assert run.result.extras["gemm_m"] == run.result.extras["images_per_pass"] * 144
    assert run.output_planes == (24,)


def test_accesses_count_whole_ports():
    """32 words of 1 B on ports of 8 B take 4 accesses, 4 B psums take 16."""
    layer = ConvLayer("c", C=64, K=32, H=10, W=1)
    narrow = SystolicSpec(dataflow="ws", port_bytes=8)
    events = MACHINE.run_shape(layer, narrow).result.counters.events
    assert events["ifmap_scratchpad", "read", "input"] == 2 * 10 * 4
    assert events["filter_scratchpad", "read", "weight"] == 64 * 4
    assert events["ofmap_scratchpad", "write", "output"] == 10 * 4
    # 10 vectors of 32 psums wait between the two folds; nothing of them goes to DRAM.
    assert events["ofmap_scratchpad", "write", "psum"] == 10 * 16
    assert events["ofmap_scratchpad", "read", "psum"] == 10 * 16
    assert events["ofmap_scratchpad", "read", "output"] == 10 * 32 // 8


def test_decomposed_weights_run_as_dense_ones():
    layer = ConvLayer("c", C=2, K=2, H=4, W=4, R=2, S=2)
    rng = np.random.default_rng(3)
    given_tensors = LayerTensors(
        layer,
        rng.integers(0, 9, (1, 2, 4, 4)).astype(np.uint8),
        basis=rng.integers(-9, 9, (2, 2, 2)).astype(np.int8),
        coefficients=rng.integers(-1, 2, (2, 2, 2)).astype(np.int8),
    )
    run = MACHINE.run(given_tensors, SystolicSpec())
    assert run.result.mode == "dense"
    assert np.array_equal(run.psums, convolve(given_tensors))


def test_decomposed_weights_beyond_8_bits_are_refused():
    given_tensors = LayerTensors(
        ConvLayer("conv7", C=1, K=1, H=2, W=2, R=2, S=2),
        np.ones((1, 1, 2, 2), np.uint8),
        basis=np.full((2, 2, 2), 100, np.int8),
        coefficients=np.ones((1, 1, 2), np.int8),
    )
    message = r"conv7: the dense weight at \[0, 0, 0, 0\] is 200, wanted int8"
    with pytest.raises(OperandError, match=message):
        MACHINE.run(given_tensors, SystolicSpec())


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_psums_use_every_bit_and_no_more(dataflow):
    spec = SystolicSpec(dataflow=dataflow, rows=2, columns=2, psum_bits=8)
    layer = ConvLayer("fc", C=2, K=1, H=1, W=1)
    weights = np.array([[[[64]], [[-1]]]], np.int8)

    def run(first, second):
        pixels = np.array([first, second], np.uint8).reshape(1, 2, 1, 1)
        return MACHINE.run(LayerTensors(layer, pixels, weights), spec)

    assert run(2, 1).psums.item() == 127
    with pytest.raises(OperandError, match=r"fc: a psum of 128 leaves the 8 bits of psum_bits"):
        run(2, 0)


def test_a_psum_between_two_folds_must_fit_as_well():
    layer = ConvLayer("fc", C=4, K=1, H=1, W=1)
    given_tensors = LayerTensors(
        layer,
        np.array([100, 100, 1, 1], np.uint8).reshape(1, 4, 1, 1),
        np.array([1, 1, -100, -100], np.int8).reshape(1, 4, 1, 1),
    )
    fields = {"rows": 2, "columns": 2, "psum_bits": 8}
    assert MACHINE.run(given_tensors, SystolicSpec(**fields)).psums.item() == 0
    with pytest.raises(OperandError, match="a psum of 200"):
        MACHINE.run(given_tensors, SystolicSpec(dataflow="ws", **fields))


def test_outputs_wider_than_a_word_are_refused():
    requantizer = Requantizer(np.ones(24, np.int32), np.zeros(24, np.int32), 4, -1000, 1000)
    given_tensors = random_tensors(CONV, requantizer=requantizer)
    with pytest.raises(OperandError, match="conv: outputs are 2 bytes wide, wanted operand_bytes"):
        MACHINE.run(given_tensors, SystolicSpec())
    assert MACHINE.run(given_tensors, SystolicSpec(operand_bytes=2)).psums is not None


def test_a_shortcut_is_traffic_and_no_cycle():
    shortcut = np.zeros((1, 24, 12, 12), np.int8)
    plain = MACHINE.run(random_tensors(CONV), SystolicSpec()).result.counters
    joined = MACHINE.run(random_tensors(CONV, shortcut=shortcut), SystolicSpec()).result.counters
    assert joined.cycles == plain.cycles
    assert joined.traffic_bytes("dram", tensor="shortcut") == 24 * 144
    assert joined.dram_bytes == plain.dram_bytes + 24 * 144


def test_wide_words_move_twice_the_bytes():
    one = MACHINE.run_shape(CONV, SystolicSpec(dram_burst_bytes=1)).result.counters
    two = MACHINE.run_shape(CONV, SystolicSpec(dram_burst_bytes=1, operand_bytes=2)).result.counters
    assert two.dram_bytes == 2 * one.dram_bytes
    assert two.compute_cycles == one.compute_cycles


def test_provenance_names_the_tensors():
    given_tensors = random_tensors(CONV, origin="file")
    provenance = MACHINE.run(given_tensors, SystolicSpec()).result.provenance
    assert provenance == {"origin": "file", "digest": given_tensors.digest()}
    assert MACHINE.run_shape(CONV, SystolicSpec()).result.provenance == {"origin": "shape"}


def test_iso_has_the_resources_of_the_default_basis_first_machine():
    other = BasisFirstSpec()
    blocks = other.pe_blocks * (other.vector_buffer_bytes + other.psum_buffer_bytes)
    slices = other.pe_blocks * other.slices_per_block * other.coefficient_buffer_bytes
    total = blocks + slices + other.input_glb_bytes + other.output_glb_bytes
    resources = MACHINE.resources(PRESETS["iso"])
    assert resources.sram_bytes == total == 589_824
    assert resources.multipliers == resources.adders == 1024
    for name in MachineSpec.model_fields:
        assert getattr(PRESETS["iso"], name) == getattr(other, name), name


def test_tiny_waits_for_dram_and_iso_hardly():
    layer = ConvLayer("conv", C=64, K=64, H=28, W=28, R=3, S=3, padding=(1, 1, 1, 1))
    iso = MACHINE.run_shape(layer, PRESETS["iso"]).result.counters
    tiny = MACHINE.run_shape(layer, PRESETS["tiny"]).result.counters
    assert tiny.compute_cycles == iso.compute_cycles
    assert iso.memory_stall_cycles * 10 < iso.cycles
    assert tiny.memory_stall_cycles * 2 > tiny.cycles


@pytest.mark.parametrize("name", PRESETS)
def test_presets_price_every_event(name):
    counters = MACHINE.run_shape(CONV, PRESETS[name]).result.counters
    lines = charges(counters, MACHINE.prices(PRESETS[name]))
    free = {line.component for line in lines if line.price.attojoules == 0}
    assert free == {"clock"}
    assert all(line.price.source for line in lines)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rows": 0}, "rows = 0: wanted a whole number 1 to"),
        ({"rows": 1, "columns": 1}, "rows x columns is 1, wanted at least 2 PEs"),
        ({"dataflow": "rs"}, "dataflow = 'rs': wanted 'os', 'ws' or 'is'"),
        ({"dataflow": "ws", "fold_overhead": "stonne"}, "STONNE's array is output stationary"),
        ({"dataflow": "os", "fold_overhead": "preloaded"}, "no operand stays in the PEs"),
        ({"psum_bits": 33}, "psum_bits = 33"),
        ({"operand_bytes": 3}, "operand_bytes = 3"),
        ({"ifmap_bytes": 1}, "ifmap_bytes = 1"),
        ({"arrays": 2}, "unknown field 'arrays'"),
    ],
)
def test_bad_fields_are_refused(fields, message):
    with pytest.raises(SpecError, match=message):
        override(PRESETS["iso"], fields)


def test_another_machines_spec_and_no_images_are_refused():
    with pytest.raises(TypeError, match="systolic: spec is a BasisFirstSpec"):
        MACHINE.run_shape(CONV, BasisFirstSpec())
    with pytest.raises(OperandError, match="conv: images is 0, wanted at least 1"):
        MACHINE.run_shape(CONV, SystolicSpec(), 0)


def test_results_are_values():
    result = MACHINE.run_shape(CONV, SystolicSpec()).result
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.mode = "sparse"
