"""Conservation, closed forms, neighbours, refusals and presets of SCNN."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from arch.energy import by_component, by_tensor, charges, total_attojoules
from arch.errors import OperandError, SpecError
from arch.machine import Kept, Neighbours
from arch.scnn.model import MACHINE
from arch.scnn.plan import named_grid
from arch.scnn.spec import PRESETS
from arch.spec import MachineSpec, override
from arch.systolic.spec import PRESETS as SYSTOLIC
from arch.threads import using_threads
from tests.arch.scnn.cases import sparse, specs, tensors
from workloads.convolve import convolve
from workloads.layer import ConvLayer
from workloads.requantize import Requantizer
from workloads.tensors import LayerTensors

CONV = ConvLayer("conv", C=16, K=24, H=12, W=12, R=3, S=3, padding=(1, 1, 1, 1))
ISO = PRESETS["iso"]


@settings(max_examples=60, deadline=None)
@given(tensors(), specs())
def test_nothing_leaks(given_tensors, spec):
    counters = MACHINE.run(given_tensors, spec).result.counters
    assert sum(counters.causes.values()) == spec.units * counters.cycles
    assert min(counters.causes.values()) >= 0
    assert counters.multiplies == counters.causes["multiply"] + counters.causes["outside"]
    lines = charges(counters, MACHINE.prices(spec))
    total = total_attojoules(lines)
    assert sum(by_component(lines).values()) == sum(by_tensor(lines).values()) == total > 0


@settings(max_examples=40, deadline=None)
@given(tensors(), specs(skip_zeros=True))
def test_barriers_bound_each_other(given_tensors, spec):
    """Fewer waits, fewer cycles; a channel of its own waits the longest."""
    kept = Kept()
    layer, group, channel = (
        MACHINE.run(
            given_tensors, override(spec, {"barrier": barrier, "halo": "serial"}), kept=kept
        ).result.counters.compute_cycles
        for barrier in ("layer", "group", "channel")
    )
    assert layer <= group <= channel


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("tiling", ["output", "padded_input", "input"])
def test_without_zeros_it_meets_the_dense_rule(tiling, stride):
    """No zeros and no conflicts: as many cycles as the machine that looks at no values."""
    layer = ConvLayer("c", C=5, K=9, H=13, W=11, R=3, S=3, stride=stride, padding=(1, 1, 1, 1))
    full = sparse(layer, 1, (1.0, 1.0), 0)
    fields = {"tiling": tiling, "bank_conflicts": "queued", "iaram_bytes": 1 << 20}
    spec = override(ISO, fields)
    counters = MACHINE.run(full, spec).result.counters
    dense = MACHINE.run(full, override(spec, {"skip_zeros": False})).result
    assert dense.mode == "dense"
    assert counters.compute_cycles == dense.counters.compute_cycles
    assert counters.causes == {**dense.counters.causes, "dram": counters.causes["dram"]}
    assert counters.compute_cycles * spec.units >= counters.effectual_ops
    stalling = MACHINE.run(full, override(spec, {"bank_conflicts": "stall"})).result.counters
    assert stalling.compute_cycles >= counters.compute_cycles


def test_the_dense_rule_looks_at_no_values():
    spec = override(ISO, {"skip_zeros": False})
    some, all_zero = sparse(CONV, 1, (0.5, 0.5), 1), sparse(CONV, 1, (0.0, 0.0), 1)
    one, other = (MACHINE.run(given, spec).result.counters for given in (some, all_zero))
    assert replace(one, effectual_ops=0) == other
    assert 0 < one.effectual_ops < one.macs == one.multiplies


def test_zeros_only_cost_nothing_to_multiply():
    counters = MACHINE.run(sparse(CONV, 1, (0.0, 0.7), 1), ISO).result.counters
    assert counters.compute_cycles == counters.multiplies == counters.effectual_ops == 0
    assert counters.traffic["dram", "input", "read"] == 0


def test_one_block_by_hand():
    """4 pixels x 4 filters of a 1x1 kernel: banks 0..3 of each pixel's row and column."""
    layer = ConvLayer("c", C=1, K=4, H=1, W=4)
    pixels = np.arange(1, 5, dtype=np.uint8).reshape(1, 1, 1, 4)
    weights = np.array([1, 2, 3, 4], np.int8).reshape(4, 1, 1, 1)
    one_pe = {"pe_rows": 1, "pe_columns": 1}
    run = MACHINE.run(LayerTensors(layer, pixels, weights), override(ISO, one_pe))
    assert run.result.extras["blocks"] == 1
    # Columns 0 and 2 differ in bit 4 of the bank, 1 and 3 too: no two products share one.
    assert run.result.counters.compute_cycles == 1
    same = LayerTensors(ConvLayer("c", C=1, K=25, H=1, W=1), pixels[..., :1].copy(), np.zeros(
        (25, 1, 1, 1), np.int8
    ))  # fmt: skip
    assert MACHINE.run(same, override(ISO, one_pe)).result.counters.compute_cycles == 0


def test_filters_eight_apart_share_a_bank():
    layer = ConvLayer("c", C=1, K=25, H=1, W=2)
    weights = np.zeros((25, 1, 1, 1), np.int8)
    weights[[0, 8, 16, 24]] = 1
    given_tensors = LayerTensors(layer, np.ones((1, 1, 1, 2), np.uint8), weights)
    one_pe = override(ISO, {"pe_rows": 1, "pe_columns": 1})
    assert MACHINE.run(given_tensors, one_pe).result.counters.compute_cycles == 4
    queued = override(one_pe, {"bank_conflicts": "queued"})
    assert MACHINE.run(given_tensors, queued).result.counters.compute_cycles == 1


def test_a_fully_connected_layer_reaches_a_quarter_of_the_peak():
    fc = sparse(ConvLayer("fc", C=8, K=64 * 4, H=1, W=1), 1, (1.0, 1.0), 0)
    counters = MACHINE.run(fc, ISO).result.counters
    assert counters.compute_cycles == 8
    assert counters.causes["multiply"] * 4 == ISO.units * counters.compute_cycles


@pytest.mark.parametrize("field", ["clock_hz", "dram_bandwidth_bytes_per_s"])
def test_kept_work_changes_no_result(field):
    given_tensors, kept = sparse(CONV, 2, (0.5, 0.4), 5), Kept()
    for spec in (ISO, override(ISO, {field: 10**9}), PRESETS["tiny"], ISO):
        fresh = MACHINE.run(given_tensors, spec).result
        again = MACHINE.run(given_tensors, spec, kept=kept).result
        assert fresh.counters == again.counters
        assert fresh.extras == again.extras


def test_every_field_that_changes_the_work_makes_new_work():
    """A spec that differs in one field only never gets the other's work."""
    given_tensors, kept = sparse(CONV, 1, (0.6, 0.6), 5), Kept()
    changes = {
        "pe_rows": 4, "pe_columns": 3, "activation_vector": 2, "weight_vector": 8,
        "accumulator_entries": 64, "iaram_bytes": 100, "operand_bytes": 2, "index_bits": 2,
        "filters_per_group": 5, "tiling": "padded_input", "bank_conflicts": "queued",
        "channel_cycles": 2, "skip_zeros": False, "barrier": "channel", "halo": "serial",
        "oaram_bytes": 16, "weight_fifo_entries": 3, "bank_bytes": 64,
    }  # fmt: skip
    for name, value in changes.items():
        MACHINE.run(given_tensors, ISO, kept=kept)
        changed = override(ISO, {name: value})
        fresh, again = (MACHINE.run(given_tensors, changed, kept=k).result for k in (None, kept))
        assert fresh.counters == again.counters, name


def test_threads_change_no_integer():
    given_tensors = sparse(CONV, 1, (0.5, 0.4), 3)
    counters = []
    for count in (1, 2, 3):
        with using_threads(count):
            counters.append(MACHINE.run(given_tensors, ISO).result.counters)
    assert counters[0] == counters[1] == counters[2]


def test_an_output_stays_where_it_fits_and_the_next_layer_takes_it():
    given_tensors = sparse(CONV, 1, (0.5, 0.4), 3)
    offered = Neighbours(handed_on=True, stored=False)
    stays = MACHINE.run(given_tensors, ISO, offered)
    assert stays.output_stays
    assert stays.result.counters.traffic["dram", "output", "write"] == 0
    small = MACHINE.run(given_tensors, override(ISO, {"oaram_bytes": 4}), offered)
    assert not small.output_stays
    assert small.result.counters.traffic["dram", "output", "write"] > 0
    also_stored = MACHINE.run(given_tensors, ISO, Neighbours(handed_on=True))
    assert also_stored.output_stays
    assert also_stored.result.counters.traffic["dram", "output", "write"] > 0
    taken = MACHINE.run(given_tensors, ISO, Neighbours(input_on_chip=True))
    assert taken.input_on_chip
    assert taken.result.counters.traffic["dram", "input", "read"] == 0
    declined = MACHINE.run(
        given_tensors, override(ISO, {"iaram_bytes": 30}), Neighbours(input_on_chip=True)
    )
    assert not declined.input_on_chip


def test_an_input_too_large_is_streamed_where_the_plan_is_named():
    rows = ConvLayer("rows", C=2, K=40, H=64, W=8, R=3, S=3, padding=(1, 1, 1, 1))
    fields = {"pe_rows": 2, "pe_columns": 2, "iaram_bytes": 1, "accumulator_entries": 2048}
    given_tensors = sparse(rows, 1, (0.5, 1.0), 1)
    run = MACHINE.run(given_tensors, override(ISO, {**fields, "tiling": "input"})).result
    assert (run.extras["strips"], run.extras["input_streamed"]) == (1, 1)


def test_psums_beyond_their_width_are_refused():
    layer = ConvLayer("fc9", C=3, K=1, H=1, W=1)
    given_tensors = LayerTensors(
        layer, np.full((1, 3, 1, 1), 100, np.uint8), np.full((1, 3, 1, 1), 100, np.int8)
    )
    assert MACHINE.run(given_tensors, override(ISO, {"psum_bits": 16})).psums.item() == 30_000
    with pytest.raises(OperandError, match="fc9: a psum of 30000 leaves the 15 bits of psum_bits"):
        MACHINE.run(given_tensors, override(ISO, {"psum_bits": 15}))


def test_decomposed_weights_run_as_dense_ones_and_wide_ones_are_refused():
    rng = np.random.default_rng(3)
    layer = ConvLayer("c", C=2, K=2, H=4, W=4, R=2, S=2)
    pixels = rng.integers(0, 9, (1, 2, 4, 4)).astype(np.uint8)
    signs = rng.integers(-1, 2, (2, 2, 2)).astype(np.int8)
    basis = rng.integers(-9, 9, (2, 2, 2)).astype(np.int8)
    given_tensors = LayerTensors(layer, pixels, basis=basis, coefficients=signs)
    run = MACHINE.run(given_tensors, ISO)
    assert run.result.mode == "sparse"
    assert np.array_equal(run.psums, convolve(given_tensors))
    wide = LayerTensors(
        ConvLayer("conv7", C=1, K=1, H=2, W=2, R=2, S=2),
        np.ones((1, 1, 2, 2), np.uint8),
        basis=np.full((2, 2, 2), 100, np.int8),
        coefficients=np.ones((1, 1, 2), np.int8),
    )
    with pytest.raises(OperandError, match=r"conv7: the dense weight at .* is 200, wanted int8"):
        MACHINE.run(wide, ISO)


def test_outputs_wider_than_a_word_are_refused():
    requantizer = Requantizer(np.ones(24, np.int32), np.zeros(24, np.int32), 4, -1000, 1000)
    plain = sparse(CONV, 1, (0.5, 0.5), 1)
    wide = LayerTensors(CONV, plain.activations, plain.weights, requantizer=requantizer)
    with pytest.raises(OperandError, match="conv: outputs are 2 bytes wide, wanted operand_bytes"):
        MACHINE.run(wide, ISO)
    assert MACHINE.run(wide, override(ISO, {"operand_bytes": 2})).psums is not None


def test_a_row_of_outputs_beyond_the_accumulators_is_cut_or_refused():
    wide = ConvLayer("wide", C=1, K=1, H=1, W=8 * 513)
    named = override(ISO, {"tiling": "input"})
    with pytest.raises(OperandError, match="wide: a tile of one row of outputs has 513 psums"):
        MACHINE.run(sparse(wide, 1, (0.5, 1.0), 1), named)
    assert MACHINE.run(sparse(wide, 1, (0.5, 1.0), 1), ISO).result.extras["strips"] == 2
    fits = ConvLayer("fits", C=1, K=1, H=1, W=8 * 512)
    assert named_grid(fits, named).strips == 1


def test_a_shape_is_not_enough():
    with pytest.raises(OperandError, match="conv: scnn needs tensors, not only shapes"):
        MACHINE.run_shape(CONV, ISO)
    with pytest.raises(TypeError, match="scnn: spec is a MachineSpec, wanted a ScnnSpec"):
        MACHINE.prices(MachineSpec())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pe_rows": 0}, "pe_rows = 0"),
        ({"activation_vector": 16, "weight_vector": 8}, "activation_vector x weight_vector is 128"),
        ({"accumulator_entries": 31}, "accumulator_entries = 31"),
        ({"barrier": "chunk"}, "barrier = 'chunk': wanted 'group', 'channel' or 'layer'"),
        ({"tiling": "filters"}, "tiling = 'filters'"),
        ({"filters_per_group": 0}, "filters_per_group"),
        ({"index_bits": 0}, "index_bits = 0"),
        ({"psum_bits": 33}, "psum_bits = 33"),
    ],
)
def test_bad_fields_are_refused(fields, message):
    with pytest.raises(SpecError, match=message):
        override(ISO, fields)


def test_the_widest_block_is_counted_right():
    """127 products in one bank fill its byte, no more."""
    layer = ConvLayer("c", C=1, K=8 * 127, H=1, W=2)
    weights = np.zeros((8 * 127, 1, 1, 1), np.int8)
    weights[::8] = 1
    given_tensors = LayerTensors(layer, np.ones((1, 1, 1, 2), np.uint8), weights)
    fields = {
        "activation_vector": 1, "weight_vector": 127, "pe_rows": 1, "pe_columns": 1,
        "accumulator_entries": 4096,
    }  # fmt: skip
    counters = MACHINE.run(given_tensors, override(ISO, fields)).result.counters
    assert counters.compute_cycles == 2 * 127


def test_iso_has_the_resources_of_the_other_iso_machines():
    iso, other = MACHINE.resources(ISO), SYSTOLIC["iso"]
    assert iso.sram_bytes == other.sram_bytes == 589_824
    assert iso.multipliers == other.units == 1024
    for name in MachineSpec.model_fields:
        assert getattr(ISO, name) == getattr(other, name), name


def test_published_has_the_sizes_of_the_paper():
    spec = PRESETS["published"]
    assert (spec.fifo_bytes, spec.accumulator_bytes, spec.units) == (500, 6144, 1024)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_price_every_event(name):
    counters = MACHINE.run(sparse(CONV, 1, (0.5, 0.5), 1), PRESETS[name]).result.counters
    lines = charges(counters, MACHINE.prices(PRESETS[name]))
    assert {line.component for line in lines if line.price.attojoules == 0} == {"clock"}
    assert all(line.price.source for line in lines)


def test_an_output_too_wide_for_one_strip_goes_to_dram():
    """The next layer would take it over, but the accumulators hold no whole plane."""
    layer = ConvLayer("wide", C=2, K=4, H=96, W=96, R=3, S=3, padding=(1, 1, 1, 1))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 3, (1, 2, 96, 96)).astype(np.uint8)
    weights = rng.integers(-1, 2, layer.weight_shape).astype(np.int8)
    spec = override(ISO, {"accumulator_entries": 32})
    around = Neighbours(handed_on=True, stored=False)
    run = MACHINE.run(LayerTensors(layer, pixels, weights), spec, around)
    assert not run.output_stays
    assert run.result.extras["strips"] > 1
