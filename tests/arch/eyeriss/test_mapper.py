"""Does the mapper find the best mapping there is?  Against all, against random ones, laws."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from arch.errors import OperandError
from arch.eyeriss.kernels import Choice, fits, movement, taps
from arch.eyeriss.mapping import Stored, array_of, searched, shape_of
from arch.eyeriss.model import MACHINE
from arch.eyeriss.spec import PRESETS
from arch.eyeriss.timing import PASS_KINDS, busy_cycles, bytes_of_strips, dram_rows, measure
from arch.spec import override
from tests.arch.eyeriss.cases import specs, tensors
from tests.arch.layers import small_layers
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

SIZES = (
    "rows",
    "columns",
    "ifmap_spad_words",
    "filter_spad_words",
    "psum_spad_words",
    "glb_bytes",
    "filter_glb_bytes",
)
NO_PAIRS = np.zeros((0, 0, 0), np.int64)
ENDLESS = np.iinfo(np.int64).max


def run(given_tensors, spec):
    try:
        return MACHINE.run(given_tensors, spec).result
    except OperandError:
        reject()


def named(spec, choice):
    return override(spec, {"mapping": ",".join(str(size) for size in choice)})


def legal(shape, array):
    """Every mapping that keeps the limits, sizes beyond the layer's own left out."""
    for e, r, t, q, p, n in itertools.product(
        range(1, shape.P + 1),
        range(1, min(shape.C, array.rows) + 1),
        range(1, shape.K + 1),
        range(1, shape.C + 1),
        range(1, shape.K + 1),
        range(1, shape.images + 1),
    ):
        for m in range(p * t, shape.K + p * t, p * t):
            choice = Choice(m, n, e, p, q, r, t)
            if fits(shape, array, choice) == 0:
                yield choice


def costs(shape, array, choice):
    maps = bytes_of_strips(shape, array, Stored(NO_PAIRS, NO_PAIRS, 0, 0), choice.e)
    table = np.zeros(PASS_KINDS, np.int64)
    busy = busy_cycles(shape, array, choice, table)
    cycles, moved = measure(shape, array, choice, maps, table, busy, ENDLESS)
    words = movement(shape, choice, maps.loaded, maps.sent)
    return (words, cycles, moved) if array.energy_first else (cycles, moved, words)


@settings(max_examples=25, deadline=None)
@given(small_layers(), specs(rows=6, columns=4), st.sampled_from((1, 2)))
def test_the_mapping_is_the_best_of_all(layer, spec, images):
    shape, array = shape_of(layer, images), array_of(spec)
    found = searched(shape, array)
    every = list(itertools.islice(legal(shape, array), 20_000))
    assert (found is None) == (not every)
    if found is not None:
        assert fits(shape, array, found.choice) == 0
        assert costs(shape, array, found.choice) <= min(costs(shape, array, one) for one in every)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(tensors(), specs(), st.integers(0, 2**32 - 1))
def test_measured_cycles_and_bytes_are_the_machines(given_tensors, spec, seed):
    """Random legal mappings: the search's integers, and never better than its own choice."""
    auto = run(given_tensors, spec)
    shape, array = shape_of(given_tensors.layer, given_tensors.images), array_of(spec)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        m, n, e, p, q, r, t = rng.integers(1, (9, 3, 8, 4, 4, 4, 6))
        choice = Choice(*map(int, (m * p * t, min(n, shape.images), min(e, shape.P), p, q, r, t)))
        if fits(shape, array, choice) != 0:
            continue
        other = MACHINE.run(given_tensors, named(spec, choice)).result
        if spec.compression == "off":
            cycles, moved, words = costs(shape, array, choice)
            if array.energy_first:
                cycles, moved, words = moved, words, cycles
            assert (other.counters.cycles, other.counters.dram_bytes) == (cycles, moved)
        better = other.counters.dram_bytes <= auto.counters.dram_bytes or shape.images == 1
        if spec.objective == "latency" and better:
            assert auto.counters.cycles <= other.counters.cycles


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(tensors(), specs(objective="latency"), st.sampled_from(SIZES), st.integers(1, 3))
def test_more_of_anything_never_costs_a_cycle(given_tensors, spec, field, times):
    image = LayerTensors(
        given_tensors.layer,
        given_tensors.activations[:1].copy(),
        given_tensors.weights,
        requantizer=given_tensors.requantizer,
        producers=given_tensors.producers,
        origin=given_tensors.origin,
    )
    before = run(image, spec)
    larger = override(spec, {field: getattr(spec, field) * (times + 1) - times // 2})
    after = MACHINE.run(image, larger).result
    assert after.counters.cycles <= before.counters.cycles


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(tensors(images=3), specs(objective="latency"))
def test_a_batch_costs_no_more_than_its_images_alone(given_tensors, spec):
    assume(given_tensors.origin != "synthetic")  # whose images are told by their zeros
    batch = run(given_tensors, spec)
    cycles = moved = 0
    for image in given_tensors.activations:
        one = LayerTensors(
            given_tensors.layer,
            image[None].copy(),
            given_tensors.weights,
            requantizer=given_tensors.requantizer,
            producers=given_tensors.producers,
            origin=given_tensors.origin,
        )
        alone = run(one, spec)
        cycles, moved = cycles + alone.counters.cycles, moved + alone.counters.dram_bytes
    assert batch.counters.cycles <= cycles
    assert batch.counters.dram_bytes <= moved


def test_energy_is_the_least_data_movement():
    layer = ConvLayer("conv", C=24, K=32, H=14, W=14, R=3, S=3, padding=(1,) * 4)
    spec = override(PRESETS["published"], {"objective": "energy"})
    shape, array = shape_of(layer, 1), array_of(spec)
    found = searched(shape, array).choice

    def moved(choice):
        strips = [(low, min(low + choice.e, layer.P)) for low in range(0, layer.P, choice.e)]
        loaded = sum(last - first for first, last in (dram_rows(shape, *s) for s in strips))
        sent = sum(taps(high - low, layer.R, layer.strides[0], 1) for low, high in strips)
        return movement(shape, choice, loaded, sent)

    least = moved(found)
    rng = np.random.default_rng(1)
    tried = 0
    while tried < 2_000:
        m, e, p, q, r, t = (int(one) for one in rng.integers(1, (5, 15, 17, 5, 5, 9)))
        choice = Choice(m * p * t, 1, e, p, q, r, t)
        if fits(shape, array, choice) == 0:
            tried += 1
            assert least <= moved(choice)


@pytest.fixture(scope="module")
def fully_connected():
    rng = np.random.default_rng(7)
    layer = ConvLayer("fc", C=512, K=1000, H=1, W=1)
    return LayerTensors(
        layer,
        rng.integers(0, 4, (1, 512, 1, 1)).astype(np.uint8),
        rng.integers(-3, 4, layer.weight_shape).astype(np.int8),
        origin="file",
    )


def test_a_layer_that_waits_for_its_weights(fully_connected):
    """A mapping with long passes hides most of the DRAM; whoever ignores stalls misses it."""
    other = named(PRESETS["iso"], (1008, 1, 1, 9, 12, 2, 16))
    auto = MACHINE.run(fully_connected, PRESETS["iso"]).result.counters
    by_hand = MACHINE.run(fully_connected, other).result.counters
    assert auto.cycles <= by_hand.cycles < 23_000
    assert auto.memory_stall_cycles < auto.cycles // 10


def test_larger_weight_spads_on_that_layer(fully_connected):
    cycles = [
        MACHINE.run(fully_connected, override(PRESETS["iso"], {"filter_spad_words": words}))
        for words in (28, 56, 112, 224, 448, 896)
    ]
    found = [one.result.counters.cycles for one in cycles]
    assert found == sorted(found, reverse=True)
