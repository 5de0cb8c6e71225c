"""The schedule's promises, conservation, closed forms, refusals and presets of Bit-Tactical."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.bit_tactical.layout import layout
from arch.bit_tactical.model import MACHINE
from arch.bit_tactical.schedule import schedule
from arch.bit_tactical.spec import PRESETS, BitTacticalSpec
from arch.energy import by_component, by_tensor, charges, total_attojoules
from arch.errors import OperandError, SpecError
from arch.spec import MachineSpec, override
from arch.systolic.spec import PRESETS as SYSTOLIC
from arch.systolic.spec import SystolicSpec
from arch.threads import using_threads
from tests.arch.bit_tactical.cases import specs, tensors, values
from workloads.layer import ConvLayer
from workloads.requantize import Requantizer
from workloads.tensors import LayerTensors

CONV = ConvLayer("conv", C=16, K=24, H=12, W=12, R=3, S=3, padding=(1, 1, 1, 1))
SMALL = {"lanes": 4, "filters": 2, "tiles": 2, "columns": 2}


def random_tensors(layer, *, weight=0.4, pixel=0.5, images=1, **fields):
    rng = np.random.default_rng(7)
    pixels = values(rng, (images, layer.C, layer.H, layer.W), 0, 256, pixel).astype(np.uint8)
    weights = values(rng, layer.weight_shape, -128, 128, weight).astype(np.int8)
    return LayerTensors(layer, pixels, weights, **fields)


def steps_left(weights, layer, spec):
    return schedule(weights.astype(np.int32), layout(layer, spec), spec)


# --- the schedule ----------------------------------------------------------------------------


@settings(max_examples=60)
@given(tensors(), specs())
def test_a_schedule_keeps_every_weight_and_never_grows(given_tensors, spec):
    layer, weights = given_tensors.layer, given_tensors.dense_weights()
    found = layout(layer, spec)
    made = schedule(weights, found, spec)
    assert made.slots.sum() == (np.count_nonzero(weights) if spec.scheduled else weights.size)
    assert (made.counts <= found.steps).all()
    for s, count in enumerate(made.counts):
        fullest = max(
            np.count_nonzero(weights[k]) for k in np.flatnonzero(found.of_set == s).tolist()
        )
        assert count >= -(-fullest // spec.lanes)
        # No more than lookahead steps are left out in a row, and steps keep their order.
        times = np.concatenate([[-1], made.times[s, :count], [found.steps]])
        assert (np.diff(times) >= 1).all()
        assert (np.diff(times) <= spec.lookahead + 1).all()


def test_without_look_ahead_nothing_is_left_out():
    """The rule leaves out up to h empty steps in a row; with h = 0 not even those."""
    layer = ConvLayer("fc", C=16, K=2, H=1, W=1)
    spec = BitTacticalSpec(lookahead=0, lookaside=0, **SMALL)
    made = steps_left(np.zeros(layer.weight_shape), layer, spec)
    assert made.counts.tolist() == [4]
    assert made.slots.tolist() == [32]


@pytest.mark.parametrize(("lookahead", "left"), [(1, 5), (2, 3), (3, 2), (9, 1), (10, 0)])
def test_empty_steps_are_left_out_by_the_look_ahead(lookahead, left):
    """Of ten empty steps every (h + 1)th stays."""
    layer = ConvLayer("fc", C=40, K=1, H=1, W=1)
    spec = BitTacticalSpec(lookahead=lookahead, lookaside=0, **SMALL)
    assert steps_left(np.zeros(layer.weight_shape), layer, spec).counts.tolist() == [left]


def test_the_slot_with_most_candidates_is_filled_first():
    """By hand, four lanes, h = 1, places (1, -1), (1, 0), (1, +1).

    Step 0 has lane 0 only, step 1 lanes 1, 2.  Lane 1 sees two candidates, lane 2 two, lane 3
    one (lane 2).  Lane 1 takes its first: lane 1.  Then lanes 2 and 3 see lane 2 alone; lane 2
    takes it.
    """
    layer = ConvLayer("fc", C=8, K=1, H=1, W=1)
    spec = BitTacticalSpec(**(SMALL | {"lookahead": 1, "lookaside": 2}))
    assert spec.places == ((1, -1), (1, 0), (1, 1))
    weights = np.zeros(layer.weight_shape, np.int32)
    weights[0, [0, 5, 6]] = 1
    made = schedule(weights, layout(layer, spec), spec, detailed=True)
    assert made.counts.tolist() == [1]
    assert made.came[0, 0, 0].tolist() == [0, 2, 2, 0]
    assert made.used[0, 0].tolist() == [0b0001, 0b0110]


def test_lanes_wrap_round_their_filter():
    layer = ConvLayer("fc", C=8, K=1, H=1, W=1)
    spec = BitTacticalSpec(**(SMALL | {"lookahead": 1, "lookaside": 1, "search": "L"}))
    weights = np.zeros(layer.weight_shape, np.int32)
    weights[0, [1, 2, 3, 7]] = 1  # lane 0 of step 0 is empty and takes lane -1 = 3 of step 1
    made = schedule(weights, layout(layer, spec), spec, detailed=True)
    assert made.counts.tolist() == [1]
    assert made.came[0, 0, 0].tolist() == [1, 0, 0, 0]


def test_filters_of_a_tile_move_on_together():
    """One full filter keeps all steps for the empty one beside it."""
    layer = ConvLayer("fc", C=12, K=2, H=1, W=1)
    spec = BitTacticalSpec(**SMALL)
    weights = np.zeros(layer.weight_shape)
    weights[1] = 1
    assert steps_left(weights, layer, spec).counts.tolist() == [3]
    alone = BitTacticalSpec(**(SMALL | {"filters": 1}))
    assert steps_left(weights, layer, alone).counts.tolist() == [1, 3]


# --- bounds ----------------------------------------------------------------------------------


def test_dense_weights_meet_the_dense_bound():
    """No zeros: steps x windows, and times the bits of a word for TCLp."""
    ones = np.full((1, 16, 12, 12), 255, np.uint8)
    given_tensors = LayerTensors(CONV, ones, np.ones(CONV.weight_shape, np.int8))
    dense = MACHINE.run(given_tensors, override(PRESETS["dense"], {"operand_bits": 8})).result
    # 2 sets of filters on 16 tiles: 8 copies share 144 windows; 9 taps x 1 chunk of channels.
    assert dense.counters.compute_cycles == 9 * (144 // 8)
    layer = ConvLayer("conv", C=16, K=16, H=12, W=12, R=3, S=3)
    inner = LayerTensors(layer, ones, np.ones(layer.weight_shape, np.int8))
    cycles = {}
    for back_end in ("bit_parallel", "precision"):
        spec = override(PRESETS["iso"], {"tiles": 1, "columns": 10, "back_end": back_end})
        cycles[back_end] = MACHINE.run(inner, spec).result.counters.compute_cycles
    # 100 windows x 9 taps, one by one; or ten at a time, eight bits each.
    assert cycles == {"bit_parallel": 900, "precision": 90 * 8}


@pytest.mark.parametrize(
    ("value", "bits", "terms"), [(255, 8, 2), (96, 2, 2), (1, 1, 1), (0, 1, 1)]
)
def test_serial_cycles_by_hand(value, bits, terms):
    layer = ConvLayer("pw", C=4, K=2, H=2, W=1)
    given_tensors = LayerTensors(
        layer, np.full((1, 4, 2, 1), value, np.uint8), np.ones((2, 4, 1, 1), np.int8)
    )
    for back_end, cycles in (("precision", bits), ("bits", terms)):
        spec = BitTacticalSpec(back_end=back_end, **(SMALL | {"tiles": 1}))
        assert MACHINE.run(given_tensors, spec).result.counters.compute_cycles == cycles


def test_steps_of_a_fully_connected_layer_take_turns_at_the_columns():
    """Ten steps of 8 bits: on eight columns one a cycle, on two columns two every 8 cycles."""
    layer = ConvLayer("fc", C=40, K=2, H=1, W=1)
    given_tensors = LayerTensors(
        layer, np.full((1, 40, 1, 1), 129, np.uint8), np.ones((2, 40, 1, 1), np.int8)
    )
    for columns, cycles in ((8, 9 + 8), (2, 4 * 8 + 1 + 8), (1, 80)):
        spec = BitTacticalSpec(**(SMALL | {"columns": columns, "tiles": 1}))
        assert MACHINE.run(given_tensors, spec).result.counters.compute_cycles == cycles


# --- conservation ----------------------------------------------------------------------------


@settings(max_examples=40)
@given(tensors(), specs())
def test_nothing_leaks(given_tensors, spec):
    counters = MACHINE.run(given_tensors, spec).result.counters
    assert sum(counters.causes.values()) == spec.units * counters.cycles
    assert counters.effectual_ops <= counters.multiplies <= counters.macs
    outputs = given_tensors.images * given_tensors.layer.K * given_tensors.layer.P
    outputs *= given_tensors.layer.Q
    glb = {key[1:]: size for key, size in counters.traffic.items() if key[0] == "glb"}
    assert glb["output", "write"] == glb["output", "read"] == outputs * spec.operand_bytes
    assert glb["psum", "read"] == glb["psum", "write"]
    lines = charges(counters, MACHINE.prices(spec))
    total = total_attojoules(lines)
    assert sum(by_component(lines).values()) == sum(by_tensor(lines).values()) == total > 0


@settings(max_examples=25)
@given(tensors(), specs(terms="ones"), st.integers(0, 127))
def test_fewer_bits_never_take_longer(given_tensors, spec, mask):
    """Activations that lose some of their ones need no more cycles and no more DRAM."""
    some = np.abs(given_tensors.activations.astype(np.int16)).clip(0, 255).astype(np.uint8)
    layer, weights = given_tensors.layer, given_tensors.weights
    before, after = (
        MACHINE.run(LayerTensors(layer, pixels, weights), spec).result.counters
        for pixels in (some, some & np.uint8(mask))
    )
    assert after.compute_cycles <= before.compute_cycles
    bytes_read = [c.traffic_bytes("dram", tensor="input") for c in (before, after)]
    assert bytes_read[1] <= bytes_read[0]


@pytest.mark.parametrize("back_end", ["precision", "bits"])
def test_threads_change_nothing(back_end):
    given_tensors = random_tensors(CONV, images=2)
    spec = BitTacticalSpec(back_end=back_end, filters=4)
    found = []
    for threads in (1, 2, 3):
        with using_threads(threads):
            found.append(MACHINE.run(given_tensors, spec).result.counters)
    assert found[0] == found[1] == found[2]


def test_small_memories_move_more_and_compute_the_same():
    layer = ConvLayer("conv", C=64, K=64, H=28, W=28, R=3, S=3, padding=(1, 1, 1, 1))
    given_tensors = random_tensors(layer)
    iso = MACHINE.run(given_tensors, PRESETS["iso"]).result
    tiny = MACHINE.run(given_tensors, PRESETS["tiny"]).result
    assert iso.extras["weight_pieces"] < tiny.extras["weight_pieces"]
    assert tiny.counters.dram_bytes > iso.counters.dram_bytes
    assert tiny.counters.multiplies == iso.counters.multiplies
    assert iso.counters.memory_stall_cycles * 4 < iso.counters.cycles
    assert tiny.counters.memory_stall_cycles > iso.counters.memory_stall_cycles


def test_a_shortcut_is_traffic_and_no_cycle():
    shortcut = np.zeros((1, 24, 12, 12), np.int8)
    plain = MACHINE.run(random_tensors(CONV), PRESETS["iso"]).result.counters
    joined = MACHINE.run(random_tensors(CONV, shortcut=shortcut), PRESETS["iso"]).result.counters
    assert joined.cycles == plain.cycles
    assert joined.traffic_bytes("dram", tensor="shortcut") == 24 * 144


# --- presets and refusals --------------------------------------------------------------------


def test_iso_has_the_resources_of_the_other_iso_machines():
    resources = MACHINE.resources(PRESETS["iso"])
    assert next(iter(PRESETS)) == "iso"
    assert resources.sram_bytes == 589_824 == SYSTOLIC["iso"].sram_bytes
    assert resources.multipliers == 1024
    for name in MachineSpec.model_fields:
        assert getattr(PRESETS["iso"], name) == getattr(SYSTOLIC["iso"], name), name


def test_published_and_dense_have_the_same_peak():
    published, dense = PRESETS["published"], PRESETS["dense"]
    assert published.multipliers == dense.multipliers == 4096
    assert published.units == dense.units * dense.operand_bits
    assert published.places == ((1, -1), (1, 0), (1, 1), (1, 3), (2, -2), (2, 0), (2, 2))
    assert published.select_bits == 3
    assert dense.places == ()


def test_a_group_of_zeros_takes_no_cycle_of_its_pe():
    """64 PEs of a filter each: cycles are those of the filter with most groups, times windows."""
    layer = ConvLayer("a", C=64, K=64, H=6, W=5, R=3, S=3, padding=(1, 1, 1, 1))
    random = np.random.default_rng(0)
    alive = random.random((64, 4)) < 0.6
    alive[:, 0] |= ~alive.any(axis=1)  # no filter is empty
    weights = random.integers(1, 3, layer.weight_shape) * random.choice([-1, 1], layer.weight_shape)
    weights *= np.repeat(alive, 16, axis=1)[:, :, None, None]
    pixels = random.integers(0, 2, (1, 64, 6, 5)).astype(np.uint8)
    given_tensors = LayerTensors(layer, pixels, weights.astype(np.int8))
    spec = PRESETS["groups"]
    made = steps_left(given_tensors.weights, layer, spec)
    assert made.counts.sum() == 9 * alive.sum()
    counters = MACHINE.run(given_tensors, spec).result.counters
    assert counters.compute_cycles == 9 * alive.sum(axis=1).max() * layer.P * layer.Q
    whole = LayerTensors(layer, pixels, np.ones(layer.weight_shape, np.int8))
    dense = MACHINE.run(whole, spec).result.counters
    assert dense.compute_cycles == 9 * 4 * layer.P * layer.Q


@pytest.mark.parametrize("name", PRESETS)
def test_presets_price_every_event(name):
    counters = MACHINE.run(random_tensors(CONV), PRESETS[name]).result.counters
    lines = charges(counters, MACHINE.prices(PRESETS[name]))
    free = {line.component for line in lines if line.price.attojoules == 0}
    assert {"clock"} <= free <= {"clock", "selector"}
    assert all(line.price.source for line in lines)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lanes": 65}, "lanes = 65: wanted a whole number 1 to 64"),
        ({"lookahead": 0}, "lookaside = 5 with lookahead = 0"),
        ({"lookahead": 11}, "lookahead \\+ lookaside is 16, wanted at most 15"),
        ({"weight_bytes": 7}, "weight_bytes is 7, wanted at least two for each of the 4"),
        ({"back_end": "analog"}, "back_end = 'analog'"),
        ({"search": "X"}, "search = 'X': wanted 'T' or 'L'"),
        ({"operand_bits": 4}, "operand_bits = 4"),
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
            {"weight_bytes": 2000},
            r"conv: one step needs 353 B of the weight \(of a tile\) memory, half of it holds 250",
        ),
        ({"output_bytes": 40}, "conv: one window needs 24 B of the output memory, half of it hol"),
        (
            {"activation_bytes": 500},
            "conv: the lines of one window needs 576 B of the activation memory, half of it",
        ),
        ({"psum_bits": 8}, "conv: a psum of -?[0-9]+ leaves the 8 bits of psum_bits"),
    ],
)
def test_what_does_not_fit_is_refused(fields, message):
    with pytest.raises(OperandError, match=message):
        MACHINE.run(random_tensors(CONV), override(PRESETS["iso"], fields))


def test_outputs_wider_than_a_word_are_refused():
    requantizer = Requantizer(np.ones(24, np.int32), np.zeros(24, np.int32), 4, -1000, 1000)
    given_tensors = random_tensors(CONV, requantizer=requantizer)
    with pytest.raises(OperandError, match="conv: outputs are 2 bytes wide, wanted operand_bytes"):
        MACHINE.run(given_tensors, PRESETS["iso"])
    assert MACHINE.run(given_tensors, PRESETS["published"]).psums is not None


def test_another_machines_spec_and_shapes_are_refused():
    with pytest.raises(TypeError, match="bit_tactical: spec is a SystolicSpec"):
        MACHINE.run(random_tensors(CONV), SystolicSpec())
    with pytest.raises(OperandError, match="conv: bit_tactical needs tensors"):
        MACHINE.run_shape(CONV, PRESETS["iso"])
