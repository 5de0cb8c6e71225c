"""Is the plan the best there is?  More memory never costs cycles, nor do images and groups."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.scnn.model import MACHINE
from arch.scnn.plan import counts, grids, groupings
from arch.scnn.spec import PRESETS, ScnnSpec
from arch.spec import override
from tests.arch.scnn.cases import sparse, specs, tensors
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

ISO = PRESETS["iso"]
SAME = (1, 1, 1, 1)
BUFFERS = ("iaram_bytes", "oaram_bytes", "accumulator_entries", "weight_fifo_entries")


def cycles(given_tensors, spec):
    return MACHINE.run(given_tensors, spec).result.counters.cycles


def images(given_tensors):
    """Each image of a batch alone."""
    layer = given_tensors.layer
    return [
        LayerTensors(layer, given_tensors.activations[n : n + 1], given_tensors.weights)
        for n in range(given_tensors.images)
    ]


def halves(given_tensors):
    """Each group of a layer as a layer of its own."""
    layer = given_tensors.layer
    depth, per = layer.channels_per_group, layer.K // layer.groups
    for number in range(layer.groups):
        alone = ConvLayer(
            layer.name, depth, per, layer.H, layer.W, layer.R, layer.S,
            layer.stride, layer.padding, layer.dilation,
        )  # fmt: skip
        pixels = given_tensors.activations[:, number * depth : (number + 1) * depth]
        weights = given_tensors.weights[number * per : (number + 1) * per]
        yield LayerTensors(alone, np.ascontiguousarray(pixels), np.ascontiguousarray(weights))


automatic = specs(tiling="output", filters_per_group="fit")


@settings(max_examples=30, deadline=None)
@given(tensors(images=1), automatic, st.sampled_from(BUFFERS), st.integers(2, 9))
def test_more_of_a_buffer_never_costs_cycles(given_tensors, spec, name, more):
    larger = override(spec, {name: getattr(spec, name) * more // 2 + 1})
    assert cycles(given_tensors, larger) <= cycles(given_tensors, spec)


@settings(max_examples=25, deadline=None)
@given(tensors(images=2), automatic)
def test_a_batch_never_costs_more_than_its_images(given_tensors, spec):
    assert cycles(given_tensors, spec) <= sum(cycles(one, spec) for one in images(given_tensors))


@settings(max_examples=25, deadline=None)
@given(tensors(images=1).filter(lambda given: given.layer.groups > 1), automatic)
def test_a_grouped_layer_never_costs_more_than_its_groups(given_tensors, spec):
    if given_tensors.layer.is_linear:
        return
    assert cycles(given_tensors, spec) <= sum(cycles(one, spec) for one in halves(given_tensors))


def test_each_group_streams_its_own_channels():
    """A depthwise layer reads its input once, though no PE holds it."""
    layer = ConvLayer("dw", 96, 96, 112, 112, 3, 3, 2, SAME, groups=96)
    counters = MACHINE.run(sparse(layer, 1, (0.45, 0.35), 1), ISO).result.counters
    once = np.count_nonzero(sparse(layer, 1, (0.45, 0.35), 1).activations) * 12 // 8
    assert once <= counters.traffic["dram", "input", "read"] < 1.05 * once
    assert counters.cycles < 40_000


def test_wide_planes_are_cut_both_ways():
    """More channels than a PE holds of the whole plane: not read again for each of 16 filters."""
    layer = ConvLayer("wide", 64, 16, 112, 112, 3, 3, padding=SAME)
    run = MACHINE.run(sparse(layer, 1, (0.45, 0.35), 1), ISO).result
    assert run.extras["strips"] > 1
    once = np.count_nonzero(sparse(layer, 1, (0.45, 0.35), 1).activations) * 12 // 8
    assert run.counters.traffic["dram", "input", "read"] < 3 * once


def test_unpadded_planes_are_cut_evenly():
    """28 outputs need 32 inputs: each of 8 PEs takes 4 rows, none all that is left over."""
    layer = ConvLayer("c", 16, 32, 32, 32, 5, 5)
    given_tensors = sparse(layer, 1, (1.0, 1.0), 1)
    fields = {"bank_conflicts": "queued", "filters_per_group": 32}
    named, even = (
        MACHINE.run(given_tensors, override(ISO, {**fields, "tiling": tiling})).result.counters
        for tiling in ("input", "output")
    )
    assert even.compute_cycles <= named.compute_cycles


@pytest.mark.parametrize(("most", "last"), [(1, [1]), (9, [8, 9]), (40, [28, 32, 40])])
def test_numbers_of_groups_end_with_all(most, last):
    assert counts(most)[-len(last) :] == last


def test_smaller_accumulators_have_a_part_of_the_plans():
    layer = ConvLayer("c", 4, 48, 20, 20, 3, 3, padding=SAME)
    small, large = (ScnnSpec(accumulator_entries=size) for size in (32, 512))
    for few, many in zip(grids(layer, small), grids(layer, large), strict=True):
        assert few == many
        known = [each.bounds.tobytes() for each in groupings(layer, large, many.area)]
        assert all(g.bounds.tobytes() in known for g in groupings(layer, small, few.area))
