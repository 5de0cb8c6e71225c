"""Does more memory never cost cycles, does a batch never, and is the bound of a plan one?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.crossbar.layout import layout
from arch.crossbar.model import MACHINE
from arch.crossbar.plan import Planner
from arch.crossbar.spec import PRESETS
from arch.errors import OperandError
from tests.arch.crossbar.cases import specs, tensors
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

BUFFERS = ("input_bytes", "weight_bytes", "output_bytes")


def counted(given_tensors, spec):
    return MACHINE.run(given_tensors, spec).result.counters


@settings(max_examples=100, deadline=None)
@given(tensors(), specs(), st.sampled_from(BUFFERS), st.sampled_from((1, 2, 50, 2000)))
def test_more_of_a_buffer_never_costs_cycles(given_tensors, spec, name, more):
    larger = spec.model_copy(update={name: getattr(spec, name) + more})
    try:
        before = counted(given_tensors, spec).cycles
    except OperandError:
        return  # too small, see test_model.py
    assert counted(given_tensors, larger).cycles <= before


@settings(max_examples=60, deadline=None)
@given(tensors(), specs())
def test_a_batch_costs_no_more_than_its_images(given_tensors, spec):
    first = given_tensors.activations[:1]
    pixels = np.concatenate([given_tensors.activations, first // 2])

    def cost(images):
        made = LayerTensors(given_tensors.layer, images, given_tensors.weights)
        counters = counted(made, spec)
        return counters.cycles, counters.dram_bytes

    try:
        batch = cost(pixels)
    except OperandError:
        return
    alone = [cost(pixels[at : at + 1]) for at in range(pixels.shape[0])]
    assert batch <= tuple(np.sum(alone, axis=0).tolist())


@settings(max_examples=40, deadline=None)
@given(tensors(), specs())
def test_no_plan_beats_its_bound(given_tensors, spec):
    found = layout(given_tensors.layer, given_tensors.dense_weights(), spec)
    planner = Planner(found, spec, slice(0, given_tensors.images))
    try:
        choices = planner.choices()
    except OperandError:
        return
    for choice in choices:
        assert planner.bound(choice) <= planner.steps(choice).finish(spec)


@pytest.mark.parametrize("name", BUFFERS)
def test_a_layer_of_many_passes_gains_from_every_doubling(name):
    layer = ConvLayer("deep", C=64, K=96, H=10, W=10, R=3, S=3, padding=(1, 1, 1, 1))
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (1, 64, 10, 10)).astype(np.uint8)
    weights = rng.integers(-8, 8, layer.weight_shape) * (rng.random(layer.weight_shape) < 0.3)
    made, found = LayerTensors(layer, pixels, weights.astype(np.int8)), []
    for double in range(8):
        spec = PRESETS["small"].model_copy(update={name: 1024 << double})
        try:
            found.append(counted(made, spec).cycles)
        except OperandError:
            assert not found, "only the smallest may be too small"
    assert found == sorted(found, reverse=True)
    assert len(found) >= 4
