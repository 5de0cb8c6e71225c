"""The crossbar machine: cases by hand, conservation, both sides of every edge, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings

from arch.crossbar.digits import driven
from arch.crossbar.layout import layout
from arch.crossbar.model import MACHINE
from arch.crossbar.spec import PRESETS, CrossbarSpec
from arch.energy import by_component, by_tensor, charges, total_attojoules
from arch.errors import OperandError, SpecError
from arch.spec import MachineSpec, override
from arch.systolic.spec import PRESETS as SYSTOLIC
from arch.systolic.spec import SystolicSpec
from tests.arch.crossbar.cases import specs, tensors
from workloads.layer import ConvLayer
from workloads.requantize import Requantizer
from workloads.tensors import LayerTensors

CONV = ConvLayer("conv", C=16, K=70, H=10, W=10, R=3, S=3, padding=(1, 1, 1, 1))
BIG = {"input_bytes": 1 << 20, "weight_bytes": 1 << 20, "output_bytes": 1 << 20}


def filled(layer, seed=1, images=1, **fields):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (images, layer.C, layer.H, layer.W)).astype(np.uint8)
    weights = rng.integers(1, 128, layer.weight_shape) * rng.choice((-1, 1), layer.weight_shape)
    return LayerTensors(layer, pixels, weights.astype(np.int8), **fields)


def pruned(layer, rows=1.0, columns=1.0, seed=1):
    """The first share of rows and columns of the layer matrix stays."""
    whole = filled(layer, seed)
    matrix = whole.weights.reshape(layer.K, -1).copy()
    matrix[round(columns * layer.K) :] = 0
    matrix[:, round(rows * matrix.shape[1]) :] = 0
    return LayerTensors(layer, whole.activations, matrix.reshape(layer.weight_shape))


# --- by hand ---------------------------------------------------------------------------------


def test_tiles_by_hand():
    """144 rows in 2 strips, 70 columns in 2, two slices, two signs."""
    extras = MACHINE.run(filled(CONV), PRESETS["iso"]).result.extras
    assert extras["crossbars"] == extras["crossbars_unpruned"] == 2 * 2 * 2 * 2
    ternary = override(PRESETS["iso"], {"cell_bits": 1, "rows_at_once": 128})
    assert MACHINE.run(filled(CONV), ternary).result.extras["crossbars"] == 2 * 2 * 8 * 2


def test_cycles_by_hand():
    """100 outputs, 40 copies of 4 tiles, 3 turns of 8 beats x 2 sets x 80 cycles."""
    counters = MACHINE.run(filled(CONV), PRESETS["iso"]).result.counters
    assert counters.compute_cycles == 3 * 8 * 2 * 80
    assert counters.pipeline_cycles == 128 * 800  # rows of the tallest tile
    one = override(PRESETS["iso"], {"copies": "one", "programming": "beforehand"})
    counters = MACHINE.run(filled(CONV), one).result.counters
    assert (counters.compute_cycles, counters.pipeline_cycles) == (100 * 8 * 2 * 80, 0)
    assert counters.traffic_bytes("dram", tensor="weight") == 0


def test_counts_by_hand():
    """One tile of 2 x 3, one output: 8 beats, 4 crossbars; 5 has two bits, 0 none."""
    layer = ConvLayer("fc", C=2, K=3, H=1, W=1)
    pixels = np.array([5, 0], np.uint8).reshape(1, 2, 1, 1)
    given_tensors = LayerTensors(layer, pixels, np.ones(layer.weight_shape, np.int8))
    events = MACHINE.run(given_tensors, PRESETS["iso"]).result.counters.events
    assert events["adc", "convert", "psum"] == 8 * 4 * 3
    assert events["dac", "drive", "input"] == 8 * 4 * 2
    assert events["cell", "read", "psum"] == 2 * 4 * (3 + 1)
    assert events["cell", "write", "weight"] == 2 * (3 + 1) * 4
    assert events["accumulator", "add", "psum"] == 0


def test_slow_adcs_set_the_pace():
    """64 conversions: 80 cycles at 640 MS/s, 81 just below it, 40 with two ADCs but 80 to read."""
    for hertz, adcs, cycles in ((640_000_000, 1, 80), (639_000_000, 1, 81), (320_000_000, 2, 80)):
        spec = CrossbarSpec(adc_hz=hertz, adcs_per_crossbar=adcs)
        assert spec.beat_cycles(64) == cycles


def test_signed_activations_are_fed_with_128_more():
    layer = ConvLayer("fc", C=2, K=1, H=1, W=1)
    pixels = np.array([-128, -1], np.int8).reshape(1, 2, 1, 1)
    assert driven(layer, pixels, CrossbarSpec()).ravel().tolist() == [0, 7]


# --- pruning ---------------------------------------------------------------------------------


def test_whole_rows_and_columns_need_no_crossbar_and_scattered_zeros_do():
    layer = ConvLayer("conv", C=64, K=256, H=4, W=4, R=3, S=3, padding=(1, 1, 1, 1))
    dense = MACHINE.run(filled(layer), PRESETS["published"]).result
    assert dense.extras["crossbars"] == 5 * 4 * 4
    thin = MACHINE.run(pruned(layer, rows=0.2, columns=0.25), PRESETS["published"]).result
    assert thin.extras["crossbars"] == 4
    assert thin.extras["crossbars_unpruned"] == 5 * 4 * 4
    mask = np.random.default_rng(4).random(layer.weight_shape) < 0.3
    whole = filled(layer)
    scattered = LayerTensors(layer, whole.activations, whole.weights * mask)
    assert MACHINE.run(scattered, PRESETS["published"]).result.extras["crossbars"] == 5 * 4 * 4


def test_empty_tiles_go_alone_with_skip_tiles_and_stay_with_none():
    layer = ConvLayer("fc", C=256, K=128, H=1, W=1)
    weights = np.ones(layer.weight_shape, np.int8)
    weights[:64, :128] = 0
    weights[:, 200:] = 0
    counts = {
        skip: layout(layer, weights, CrossbarSpec(skip=skip)).rows.tolist()
        for skip in ("structured", "tiles", "none")
    }
    assert counts == {
        "structured": [72, 128, 72],
        "tiles": [128, 128, 128],
        "none": [128, 128, 128, 128],
    }


def test_nothing_left_costs_a_cycle_an_output():
    layer = ConvLayer("fc", C=4, K=4, H=2, W=2)
    zeros = np.zeros(layer.weight_shape, np.int8)
    empty = LayerTensors(layer, np.ones((1, 4, 2, 2), np.uint8), zeros)
    run = MACHINE.run(empty, PRESETS["iso"])
    assert not run.psums.any()
    assert run.result.counters.compute_cycles == 4
    assert run.result.extras["crossbars"] == 0
    assert run.result.counters.traffic_bytes("dram", tensor="output") == 64


def test_what_fits_stays_and_one_tile_more_is_written_for_every_run():
    layer = ConvLayer("fc", C=256, K=128, H=1, W=1)
    for crossbars, passes in ((16, 1), (15, 2)):
        fields = {"crossbars": crossbars, "programming": "beforehand"}
        result = MACHINE.run(filled(layer), override(PRESETS["iso"], fields)).result
        assert result.extras["passes"] == passes
        assert result.extras["resident"] == (passes == 1)
        writes = result.counters.events["cell", "write", "weight"]
        assert writes == (0 if passes == 1 else 256 * (128 + 2) * 4)


# --- conservation ----------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(tensors(), specs(**BIG))
def test_nothing_leaks(given_tensors, spec):
    counters = MACHINE.run(given_tensors, spec).result.counters
    assert sum(counters.causes.values()) == spec.crossbars * counters.cycles
    assert counters.effectual_ops <= counters.multiplies <= counters.macs
    layer = given_tensors.layer
    outputs = given_tensors.images * layer.K * layer.P * layer.Q
    glb = {key[1:]: size for key, size in counters.traffic.items() if key[0] == "glb"}
    assert glb["output", "write"] == glb["output", "read"] == outputs * spec.operand_bytes
    assert glb["input", "write"] <= given_tensors.activations.size * spec.operand_bytes
    lines = charges(counters, MACHINE.prices(spec))
    total = total_attojoules(lines)
    assert sum(by_component(lines).values()) == sum(by_tensor(lines).values()) == total > 0


@settings(max_examples=40, deadline=None)
@given(tensors(), specs(**BIG))
def test_skipping_never_needs_more_crossbars(given_tensors, spec):
    needed = [
        MACHINE.run(given_tensors, spec.model_copy(update={"skip": skip})).result.extras
        for skip in ("structured", "tiles", "none")
    ]
    tiles = [extras["crossbars"] for extras in needed]
    assert tiles[1] <= tiles[2] == needed[0]["crossbars_unpruned"]
    assert tiles[0] <= tiles[2]


@settings(max_examples=30, deadline=None)
@given(tensors(), specs(**BIG))
def test_more_bits_never_read_fewer_cells(given_tensors, spec):
    layer, pixels = given_tensors.layer, np.abs(given_tensors.activations.astype(np.int16))
    some = np.minimum(pixels, 255).astype(np.uint8)
    assert (driven(layer, some, spec) <= driven(layer, some | 17, spec)).all()


# --- presets and refusals --------------------------------------------------------------------


def test_iso_has_the_resources_of_the_other_iso_machines():
    resources = MACHINE.resources(PRESETS["iso"])
    assert next(iter(PRESETS)) == "iso"
    assert resources.sram_bytes == 589_824 == SYSTOLIC["iso"].sram_bytes
    assert resources.multipliers == 1024
    for name in MachineSpec.model_fields:
        assert getattr(PRESETS["iso"], name) == getattr(SYSTOLIC["iso"], name), name


@pytest.mark.parametrize("name", PRESETS)
def test_presets_price_every_event_and_their_adcs_suffice(name):
    assert PRESETS[name].adc_suffices
    counters = MACHINE.run(filled(CONV), PRESETS[name]).result.counters
    lines = charges(counters, MACHINE.prices(PRESETS[name]))
    assert {line.component for line in lines if line.price.attojoules == 0} == {"clock"}
    assert all(line.price.source for line in lines)


def test_cells_cost_the_same_at_every_node_and_converters_do_not():
    at = {nm: MACHINE.prices(CrossbarSpec(node_nm=nm)) for nm in (45, 32, 7)}
    assert at[32]["adc", "convert"].attojoules == round(2.379022742 * 10**6)
    assert at[45]["adc", "convert"].attojoules > at[32]["adc", "convert"].attojoules
    assert len({prices["cell", "read"] for prices in at.values()}) == 1
    assert at[45]["cell", "read"].attojoules == 2200
    assert at[45]["cell", "write"].attojoules == 10 * 10**6


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"crossbars": 3}, "crossbars is 3, wanted at least the 4 of one tile with cell_bits = 4"),
        ({"conductance_max_us": 0.1}, "conductance_max_us is 0.1, wanted more than conductance_"),
        ({"conductance_min_us": 0}, "conductance_min_us = 0: wanted a number above 0"),
        ({"read_volts": "inf"}, "read_volts = 'inf': wanted a number above 0"),
        ({"adc_bits": 11}, "adc_bits = 11: wanted a whole number 1 to 10"),
        ({"cell_bits": 9}, "cell_bits = 9: wanted a whole number 1 to 8"),
        ({"dac_bits": 0}, "dac_bits = 0: wanted a whole number 1 to 8"),
        ({"skip": "rows"}, "skip = 'rows': wanted 'structured', 'tiles' or 'none'"),
        ({"rows": 2}, "unknown field 'rows'"),
    ],
)
def test_bad_fields_are_refused(fields, message):
    with pytest.raises(SpecError, match=message):
        override(PRESETS["iso"], fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"weight_bytes": 279},
            "conv: one row of all tiles of a pass needs 140 B of the weight buffer, half of "
            "weight_bytes holds 139 B",
        ),
        ({"output_bytes": 139}, "conv: one output pixel needs 70 B of the output buffer, half of"),
        (
            {"input_bytes": 959},
            "conv: the lines of one output pixel needs 480 B of the input buffer, half of",
        ),
        ({"psum_bits": 8}, r"conv: a psum of -?[0-9]+ leaves the 8 bits of psum_bits"),
        (
            {"adc_bits": 8},
            r"conv: a column of a crossbar can sum to [0-9]+, adc_bits = 8 tell up to 255; fewer",
        ),
    ],
)
def test_what_does_not_fit_is_refused(fields, message):
    with pytest.raises(OperandError, match=message):
        MACHINE.run(filled(CONV), override(PRESETS["iso"], fields))


def test_small_buffers_are_enough_to_the_byte():
    """Both sides of each edge: one byte more than what is refused above."""
    fields = {"weight_bytes": 280, "output_bytes": 140, "input_bytes": 960}
    MACHINE.run(filled(CONV), override(PRESETS["iso"], fields))


def test_weights_that_are_small_need_fewer_bits():
    """Level 3 at most in 64 rows: 192, which eight bits tell."""
    whole = filled(CONV)
    small = LayerTensors(CONV, whole.activations, np.sign(whole.weights) * np.int8(3))
    assert MACHINE.run(small, override(PRESETS["iso"], {"adc_bits": 8})).psums.any()


def test_outputs_wider_than_a_word_are_refused():
    requantizer = Requantizer(np.ones(70, np.int32), np.zeros(70, np.int32), 4, -1000, 1000)
    given_tensors = filled(CONV, requantizer=requantizer)
    with pytest.raises(OperandError, match="conv: outputs are 2 bytes wide, wanted operand_bytes"):
        MACHINE.run(given_tensors, PRESETS["iso"])
    assert MACHINE.run(given_tensors, override(PRESETS["iso"], {"operand_bytes": 2})).psums.any()


def test_another_machines_spec_and_shapes_are_refused():
    with pytest.raises(TypeError, match="crossbar: spec is a SystolicSpec, wanted a CrossbarSpec"):
        MACHINE.run(filled(CONV), SystolicSpec())
    with pytest.raises(OperandError, match="conv: crossbar needs tensors"):
        MACHINE.run_shape(CONV, PRESETS["iso"])
