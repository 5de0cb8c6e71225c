"""Does the fast machine do what the slow one does?  Every integer, exactly."""

import numpy as np
import pytest
from hypothesis import given, settings

from arch.bit_tactical.layout import layout
from arch.bit_tactical.model import MACHINE, work
from arch.bit_tactical.schedule import schedule
from arch.bit_tactical.spec import BitTacticalSpec
from tests.arch.bit_tactical.cases import specs, tensors
from tests.reference.bit_tactical import Reference, run_layer
from workloads.convolve import convolve
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def check(given_tensors, spec):
    """All of one layer: psums, steps, causes, traffic and events."""
    requantizer = given_tensors.requantizer
    psums = convolve(given_tensors)
    outputs = None if requantizer is None else requantizer.apply(psums)
    slow = run_layer(given_tensors, spec, outputs)
    assert np.array_equal(slow.psums, psums)
    weights = given_tensors.dense_weights()
    fast = work(given_tensors, weights, outputs, spec)
    assert fast.multiplies == slow.multiplies
    assert fast.steps.lengths.tolist() == slow.lengths
    for tensor, sizes in slow.loads.items():
        assert fast.steps.loads[tensor].tolist() == sizes, tensor
    assert fast.steps.stores["output"].tolist() == slow.stores["output"]
    assert {key: count for key, count in fast.causes.items() if count} == dict(+slow.causes)
    assert {key: size for key, size in fast.traffic.items() if size} == dict(+slow.traffic)
    assert {key: count for key, count in fast.events.items() if count} == dict(+slow.events)
    run = MACHINE.run(given_tensors, spec)
    assert run.result.counters.effectual_ops == slow.effectual
    assert np.array_equal(run.psums, psums)


@settings(max_examples=40, deadline=None)
@given(tensors(), specs())
def test_layers_equal_the_slow_machine(given_tensors, spec):
    check(given_tensors, spec)


@settings(max_examples=15, deadline=None)
@given(tensors(), specs(back_end="precision", lanes=4, filters=2, tiles=2))
def test_pieces_and_blocks_equal_the_slow_machine(given_tensors, spec):
    """So little memory that schedules come in pieces and windows in small blocks."""
    row = -(-(8 * spec.slot_bits + spec.advance_bits) // 8)
    small = {"weight_bytes": 8 * row, "output_bytes": 64, "activation_bytes": 2000}
    check(given_tensors, spec.model_copy(update=small))


@settings(max_examples=30)
@given(tensors(), specs())
def test_every_weight_goes_where_the_slow_schedule_puts_it(given_tensors, spec):
    layer, weights = given_tensors.layer, given_tensors.dense_weights()
    slow = Reference(given_tensors, spec)
    fast = schedule(weights, layout(layer, spec), spec, detailed=True)
    for s, left in enumerate(slow.left):
        times = [t for t, _, _ in left]
        assert fast.times[s, : fast.counts[s]].tolist() == times
        came = np.zeros_like(fast.came[s])
        for t, _, moves in left:
            for (row, lane), number in moves.items():
                came[t, row, lane] = number + 1
        assert np.array_equal(fast.came[s], came)


@pytest.mark.parametrize("back_end", ["precision", "bits", "bit_parallel"])
def test_the_iso_preset_on_a_real_shape(back_end):
    """All sixteen lanes and filters, ragged in both."""
    layer = ConvLayer("c", C=20, K=18, H=3, W=3, R=2, S=2, padding=(0, 1, 0, 1))
    rng = np.random.default_rng(5)
    shape = (1, 20, 3, 3)
    pixels = (rng.integers(0, 256, shape) * (rng.random(shape) < 0.5)).astype(np.uint8)
    weights = rng.integers(-128, 128, layer.weight_shape) * (rng.random(layer.weight_shape) < 0.3)
    spec = MACHINE.presets["iso"].model_copy(update={"back_end": back_end})
    check(LayerTensors(layer, pixels, weights.astype(np.int8)), spec)


@pytest.mark.parametrize("back_end", ["precision", "bits"])
def test_a_fully_connected_layer_in_pieces(back_end):
    """Columns are free again at the start of every piece and image."""
    layer = ConvLayer("fc", C=48, K=5, H=1, W=1)
    rng = np.random.default_rng(9)
    pixels = rng.integers(0, 256, (3, 48, 1, 1)).astype(np.uint8)
    weights = rng.integers(1, 128, layer.weight_shape).astype(np.int8)
    fields = {"tiles": 2, "filters": 2, "lanes": 4, "columns": 3, "weight_bytes": 150}
    spec = BitTacticalSpec(back_end=back_end, **fields)
    given_tensors = LayerTensors(layer, pixels, weights)
    assert MACHINE.run(given_tensors, spec).result.extras["weight_pieces"] == 4
    check(given_tensors, spec)


@pytest.mark.parametrize("search", ["T", "L"])
def test_slots_with_eight_candidates_and_more_come_first(search):
    """Of 15 places to look in, most hold a weight, so counts of candidates take four bits."""
    random = np.random.default_rng(0)
    layer = ConvLayer("one", C=16, K=2, H=4, W=4, R=3, S=3)
    weights = random.integers(1, 9, layer.weight_shape).astype(np.int8)
    weights[random.random(weights.shape) < 0.35] = 0
    pixels = random.integers(0, 9, (1, 16, 4, 4)).astype(np.uint8)
    fields = {"lookahead": 7, "lookaside": 8, "search": search, "lanes": 16}
    check(LayerTensors(layer, pixels, weights), BitTacticalSpec(**fields))
