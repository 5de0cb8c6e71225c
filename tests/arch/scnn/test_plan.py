"""Is the plan the best there is?  More memory never costs cycles, nor do images and groups."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.machine import Kept
from arch.outputs import stored_output
from arch.scnn.feed import Fused
from arch.scnn.model import MACHINE
from arch.scnn.plan import family, plans, sizes
from arch.scnn.search import NOTHING, Bench, search, ways
from arch.scnn.sequence import cost
from arch.scnn.spec import PRESETS, ScnnSpec
from arch.scnn.work import images as images_of
from arch.spec import override
from tests.arch.scnn.cases import sparse, specs, tensors
from workloads.convolve import convolve
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


def every_plan(bench, spec, fused):
    """All plans of an image in order, counted in full, each way to get its input."""
    for grid, groupings in plans(bench.feed.layer, spec):
        for grouping in groupings if grid.strips == 1 or fused == NOTHING else ():
            fresh = Bench(bench.feed)
            tally = fresh.tally(spec, grid, grouping)
            list(tally.stages())
            yield from ways(fresh, tally, spec, fused)


@settings(max_examples=60, deadline=None)
@given(tensors(images=1), specs(filters_per_group="fit", tiling="output"), st.data())
def test_the_search_finds_what_judging_every_plan_finds(given_tensors, spec, data):
    """Whatever has been counted before for another search, and whatever the limit."""
    layer = given_tensors.layer
    output, _ = stored_output(given_tensors, convolve(given_tensors))
    of = images_of(layer, given_tensors.activations, given_tensors.weights, output)
    bench = of.benches[0]
    for fused in data.draw(
        st.permutations([Fused(*each) for each in product((True, False), repeat=2)])
    ):
        best = min(every_plan(bench, spec, fused), key=lambda plan: cost(plan, spec), default=None)
        limit = None
        if best is not None and data.draw(st.booleans()):
            cycles, moved = cost(best, spec)
            limit = cycles + data.draw(st.integers(-1, 1)), moved + data.draw(st.integers(-1, 1))
            best = best if cost(best, spec) < limit else None
        found = search(bench, spec, fused, limit)
        assert (found is None) == (best is None)
        if found is not None:
            assert cost(found, spec) == cost(best, spec)
            assert found.strips == best.strips
            assert found.streamed == best.streamed
            assert np.array_equal(found.grouping.bounds, best.grouping.bounds)
            assert np.array_equal(found.part.per_pe, best.part.per_pe)


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


LARGE = ConvLayer("large", 32, 64, 56, 56, 3, 3, padding=SAME)  # several groups, and strips


@pytest.mark.parametrize("name", ["accumulator_entries", "iaram_bytes", "oaram_bytes"])
def test_more_of_a_buffer_never_costs_cycles_on_a_large_layer(name):
    given_tensors = sparse(LARGE, 1, (0.45, 0.35), 1)
    steps, kept = (1 / 4, 1 / 2, 1, 3 / 2, 2, 4, 16), Kept()
    found = []
    for times in steps:
        spec = override(ISO, {name: int(getattr(ISO, name) * times)})
        found.append(MACHINE.run(given_tensors, spec, kept=kept).result.counters.cycles)
    assert found == sorted(found, reverse=True)
    assert name == "oaram_bytes" or found[0] > found[-1]


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


@pytest.mark.parametrize(("most", "every"), [(1, [1]), (2, [2]), (9, [9, 8, 2])])
def test_sizes_begin_with_all(most, every):
    assert sizes(most) == every


@pytest.mark.parametrize("entries", [32, 100, 512, 1 << 20])
def test_plans_are_those_of_the_family_that_fit(entries):
    """The family knows no memories, so more accumulators only add plans."""
    layer = ConvLayer("c", 4, 48, 20, 20, 3, 3, padding=SAME)
    spec, every = ScnnSpec(accumulator_entries=entries), {}
    for grid, some in family(layer, ScnnSpec()):
        every[grid] = [each.most for each in some if each.most * grid.area <= entries]
    fit = {grid: [each.most for each in some] for grid, some in plans(layer, spec)}
    assert fit == {grid: some for grid, some in every.items() if some}
    assert fit
