"""Does more memory never cost cycles, does a batch never, and is the bound of a plan one?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.bit_tactical.choose import Planner
from arch.bit_tactical.layout import layout
from arch.bit_tactical.model import MACHINE
from arch.bit_tactical.schedule import schedule
from arch.bit_tactical.spec import PRESETS
from arch.bit_tactical.tally import costs
from arch.errors import OperandError
from tests.arch.bit_tactical.cases import specs, tensors
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

MEMORIES = ("activation_bytes", "weight_bytes", "output_bytes")


def counted(given_tensors, spec):
    return MACHINE.run(given_tensors, spec).result.counters


@settings(max_examples=50, deadline=None)
@given(tensors(), specs(), st.sampled_from(MEMORIES), st.sampled_from((1, 40, 300, 5000)))
def test_more_of_a_memory_never_costs_cycles(given_tensors, spec, name, more):
    larger = spec.model_copy(update={name: getattr(spec, name) + more})
    try:
        before = counted(given_tensors, spec).cycles
    except OperandError:
        return  # too small, see test_model.py
    assert counted(given_tensors, larger).cycles <= before


@settings(max_examples=50, deadline=None)
@given(tensors(), specs())
def test_a_batch_costs_no_more_than_its_images(given_tensors, spec):
    fields = {"weights": given_tensors.weights, "requantizer": given_tensors.requantizer}
    first = given_tensors.activations[:1]
    pixels = np.concatenate([given_tensors.activations, first // 2])

    def run(images):
        return counted(LayerTensors(given_tensors.layer, images, **fields), spec)

    try:
        batch = run(pixels)
    except OperandError:
        return
    alone = [run(pixels[at : at + 1]) for at in range(pixels.shape[0])]
    assert batch.cycles <= sum(one.cycles for one in alone)
    assert batch.dram_bytes <= sum(one.dram_bytes for one in alone)


@settings(max_examples=30, deadline=None)
@given(tensors(), specs())
def test_no_plan_beats_its_bound(given_tensors, spec):
    weights, pixels = given_tensors.dense_weights(), given_tensors.activations
    found = layout(given_tensors.layer, spec)
    made = schedule(weights, found, spec)
    needed = costs(pixels, weights, found, made, spec) if spec.serial else None
    planner = Planner(found, made, needed, spec, pixels, None)
    images = slice(0, given_tensors.images)
    try:
        all_plans = planner.plans(images)
    except OperandError:
        return
    work = planner.least_work(images)
    for plan in all_plans:
        assert planner.bound(plan, work) <= planner.run(plan)[1].steps.finish(spec)


@pytest.mark.parametrize("name", MEMORIES)
@pytest.mark.parametrize("preset", ["tiny", "groups"])
def test_a_layer_gains_from_every_doubling(name, preset):
    layer = ConvLayer("c", C=64, K=128, H=10, W=10, R=3, S=3, padding=(1, 1, 1, 1))
    rng = np.random.default_rng(3)
    pixels = (rng.integers(0, 256, (1, 64, 10, 10)) * (rng.random((1, 64, 10, 10)) < 0.5)).astype(
        np.uint8
    )
    weights = rng.integers(-128, 128, layer.weight_shape) * (rng.random(layer.weight_shape) < 0.3)
    made, found = LayerTensors(layer, pixels, weights.astype(np.int8)), []
    for double in range(9):
        spec = PRESETS[preset].model_copy(update={name: 2048 << double})
        try:
            found.append(counted(made, spec).cycles)
        except OperandError:
            assert not found, "only the smallest may be too small"
    assert found == sorted(found, reverse=True)
    assert len(found) >= 4
