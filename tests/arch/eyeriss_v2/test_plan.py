"""Does more memory never cost cycles, and does no mapping cost less than its bound?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.errors import OperandError
from arch.eyeriss_v2.model import MACHINE
from arch.eyeriss_v2.plan import Planner
from arch.eyeriss_v2.search import MOST
from arch.eyeriss_v2.spec import PRESETS
from arch.pairs import tap_counts
from tests.arch.eyeriss_v2.cases import specs, tensors, worked
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

MEMORIES = (
    "iact_glb_bytes",
    "psum_glb_bytes",
    "iact_spad_words",
    "iact_spad_segments",
    "weight_spad_words",
    "weight_spad_columns",
    "psum_spad_words",
)


def counted(given_tensors, spec):
    return MACHINE.run(given_tensors, spec).result.counters


@settings(max_examples=60, deadline=None)
@given(tensors(), specs(), st.sampled_from(MEMORIES), st.sampled_from((1, 2, 11, 200)))
def test_more_memory_never_costs_cycles(given_tensors, spec, name, more):
    most = 16 if name == "iact_spad_words" else 1 << 16
    larger = spec.model_copy(update={name: min(getattr(spec, name) + more, most)})
    try:
        before = counted(given_tensors, spec).cycles
    except OperandError:
        return  # too small, see test_model.py
    assert counted(given_tensors, larger).cycles <= before


@settings(max_examples=25, deadline=None)
@given(tensors(), specs())
def test_the_search_finds_the_best_of_all_mappings_and_keeps_its_bounds(given_tensors, spec):
    taps = tap_counts(given_tensors.layer, given_tensors.activations)
    planner = Planner(worked(given_tensors, spec), taps)
    costs = []
    for row in planner._ordered(planner._hopeful(MOST)):
        costs.append(planner._cost(planner._mapping(row), (MOST, MOST)))
        assert row[1] <= costs[-1][0]
        assert planner.least_bytes() <= costs[-1][1]
    found = planner.best()
    assert (found is None) == (not costs)
    if found is not None:
        assert found.cost == min(costs)


@pytest.mark.parametrize("name", ["iact_glb_bytes", "psum_glb_bytes"])
def test_a_layer_of_many_passes_gains_from_doublings(name):
    layer = ConvLayer("deep", C=48, K=64, H=12, W=12, R=3, S=3, padding=(1, 1, 1, 1))
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (1, 48, 12, 12)) * (rng.random((1, 48, 12, 12)) < 0.5)
    weights = rng.integers(-8, 8, layer.weight_shape) * (rng.random(layer.weight_shape) < 0.3)
    made = LayerTensors(layer, pixels.astype(np.uint8), weights.astype(np.int8))
    found, start = [], getattr(PRESETS["tiny"], name)
    for double in range(5):
        spec = PRESETS["tiny"].model_copy(update={name: start << double})
        found.append(counted(made, spec).cycles)
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0]
