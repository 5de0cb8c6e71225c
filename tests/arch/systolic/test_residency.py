"""Is everything a step needs on chip, is nothing counted twice, and does it fit?"""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.cuts import cut
from arch.errors import OperandError
from arch.systolic import output_stationary, stationary
from arch.systolic.gemm import Gemm
from arch.systolic.model import MACHINE
from arch.systolic.passes import joined, pieces_alone
from arch.systolic.plan import plan
from arch.systolic.spec import SystolicSpec
from tests.arch.layers import small_layers
from tests.arch.systolic.cases import specs
from tests.reference.scratchpad import lines, strips, touched
from workloads.layer import ConvLayer


def tiles(bounds):
    return [(int(low), int(high)) for low, high in pairwise(bounds)]


@settings(max_examples=150, deadline=None)
@given(small_layers(), st.integers(1, 3), st.integers(1, 12), st.sampled_from((lines, strips)))
def test_intervals_equal_explicit_sets(layer, images, size, kind):
    gemm = Gemm(layer, images)
    bounds = cut(gemm.M, size)
    found = gemm.lines(bounds) if kind is lines else gemm.strips(bounds)
    sets = [kind(layer, images, tile) for tile in tiles(bounds)]
    assert found.sizes().tolist() == [len(one) for one in sets]
    before = [set(), *sets[:-1]]
    exact = [len(now - then) for now, then in zip(sets, before, strict=True)]
    fresh, wrapped = found.fresh(), found.fresh(wrap=True)
    if kind is lines:
        assert fresh.tolist() == exact
        assert fresh.sum() == len(set().union(*sets))
    assert (fresh >= exact).all()
    assert (fresh <= found.sizes()).all()
    assert wrapped[1:].tolist() == fresh[1:].tolist()
    assert wrapped[0] >= len(sets[0] - sets[-1])
    for tile, held in zip(tiles(bounds), sets, strict=True):
        assert {pixel for pixel, _ in touched(layer, tile, (0, gemm.K))} <= held


def builder(spec):
    return output_stationary if spec.dataflow == "os" else stationary


def candidates(gemm, spec):
    """Every pass that fits, with folds cut and joined in all ways that are tried."""
    for holdings, held in builder(spec).choices(gemm, spec):
        for holding in holdings:
            found = list(held_so(gemm, spec, holding, held))
            yield from found
            if found:
                break


def held_so(gemm, spec, holding, held):
    build = builder(spec)
    for piece in (build.whole(gemm, spec), *build.parts(gemm, spec)):
        folds = build.folds(gemm, spec, holding, held, piece)
        if folds is not None:
            uncut = folds.lengths.shape[2] == 1
            ways = joined(folds) if uncut else [pieces_alone(folds)]
            yield from (one for one in ways if one.fit(spec))


def order(folds, dataflow):
    """Pieces in time: (position in the arrays, m tile, n tile, k tile)."""
    m, n, k = tiles(folds.m), tiles(folds.n), tiles(folds.k)
    axes = {"os": (n, m, k), "ws": (n, k, m), "is": (m, k, n)}[dataflow]
    m_at, n_at, k_at = {"os": (1, 0, 2), "ws": (2, 0, 1), "is": (0, 2, 1)}[dataflow]
    for at in product(*(range(len(axis)) for axis in axes)):
        yield at, *(axes[axis][at[axis]] for axis in (m_at, n_at, k_at))


def channels_of(layer, k):
    taps = layer.R * layer.S
    return set(range(k[0] // taps, -(-k[1] // taps)))


class Inputs:
    """The ifmap scratchpad as sets of (pixel, channel): what is held, fetched, and needs room."""

    def __init__(self, layer, images, folds):
        self.layer, self.images, self.folds = layer, images, folds
        self.once = folds.input_holding in ("whole", "lines", "planes")
        self.held, self.tile_before = set(), None

    def piece(self, at, m, k):
        """Fetch what one piece lacks; returns what must lie on chip while it is at work."""
        layer, holding = self.layer, self.folds.input_holding
        channels = channels_of(layer, k)
        pixels = (lines if self.once else strips)(layer, self.images, m)
        wanted = set(product(pixels, channels))
        fetched = wanted - self.held
        assert self.folds.loads["input"][at] >= len(fetched)
        if self.once:
            assert self.folds.loads["input"][at] == len(fetched)
        assert touched(layer, m, k) <= wanted
        if holding == "planes":
            self.held = {(pixel, c) for pixel, c in self.held if c in channels}
        elif holding == "stream":
            self.held = set()
        elif holding != "whole" and self.tile_before not in (None, m):
            self.held = {(pixel, c) for pixel, c in self.held if pixel in pixels}
        self.tile_before = m
        self.held = wanted if holding == "stream" else self.held | fetched
        return set(self.held)


def replay(layer, images, one, spec):
    """Walk through the pieces of one group step by step; each step must find room in the halves."""
    folds = one.folds
    inputs = Inputs(layer, images, folds)
    flat = list(order(folds, spec.dataflow))
    bounds = [*one.starts.tolist(), len(flat)]
    groups = min(one.size, layer.groups) if one.level == "group" else 1
    for first, last in pairwise(bounds):
        on_chip, weights, results = set(), set(), 0
        for at, m, n, k in flat[first:last]:
            on_chip |= inputs.piece(at, m, k)
            weights |= set(product(range(*n), range(*k)))
            results += sum(int(part[at]) for part in folds.stores.values())
        assert groups * len(on_chip) <= spec.ifmap_bytes // 2
        assert groups * len(weights) <= spec.filter_bytes // 2
        assert groups * results <= spec.ofmap_bytes // 2


@settings(max_examples=40, deadline=None)
@given(small_layers(), st.integers(1, 2), specs(), st.data())
def test_every_step_finds_its_operands_on_chip(layer, images, spec, data):
    """In ``lines`` the tile before stays until the next one is complete: one half each."""
    small = spec.model_copy(
        update={
            "ifmap_bytes": data.draw(st.sampled_from((40, 100, 200, 400, 1000))),
            "filter_bytes": data.draw(st.sampled_from((40, 100, 400, 1000))),
            "ofmap_bytes": data.draw(st.sampled_from((100, 200, 400, 1000))),
        }
    )
    for one in candidates(Gemm(layer, images), small):
        replay(layer, images, one, small)


@settings(max_examples=30, deadline=None)
@given(small_layers(), st.integers(1, 2), specs())
def test_steps_move_what_their_pieces_move(layer, images, spec):
    """However pieces are joined: the same cycles and bytes, in the same order."""
    for one in candidates(Gemm(layer, images), spec):
        folds, steps = one.folds, one.steps()
        assert steps.cycles == one.cycles
        at, first, lengths = one.places()
        ends = np.append(0, np.cumsum(steps.lengths))
        assert np.array_equal(ends[at] + first, np.cumsum(lengths) - lengths)
        for side, parts in ((steps.loads, folds.loads), (steps.stores, folds.stores)):
            for name, part in parts.items():
                assert side[name].sum() == part.sum() * layer.groups
                sums = np.bincount(
                    at, np.tile(part.ravel(), layer.groups), minlength=steps.lengths.size
                )
                assert np.array_equal(side[name], sums)


@settings(max_examples=60, deadline=None)
@given(small_layers(), st.integers(1, 2), st.sampled_from(("ws", "is")), st.data())
def test_preloaded_tiles_are_fetched_one_fold_ahead(layer, images, dataflow, data):
    """The same bytes as without; each fold fetches the next one's tile, a first step the first."""
    plain = data.draw(specs(dataflow))
    ahead = plain.model_copy(update={"fold_overhead": "preloaded"})
    tensor = "weight" if dataflow == "ws" else "input"
    gemm = Gemm(layer, images)
    sizes = (stationary.whole(gemm, plain), *stationary.parts(gemm, plain))
    holding = data.draw(st.sampled_from(("whole", "stream")))
    chosen = (holding, False, data.draw(st.sampled_from(sizes)))
    one, other = (pieces_alone(stationary.folds(gemm, spec, *chosen)) for spec in (plain, ahead))
    before, after = one.steps(), other.steps()
    assert after.lengths[0] == ahead.rows
    pieces = one.folds.lengths.shape[2]
    for name in before.loads:
        came, wanted = after.loads[name], before.loads[name]
        if name == tensor:  # with the first piece of the fold before, or in the first step
            wanted, came = wanted[::pieces], np.append(came[0], came[1::pieces][:-1])
            assert after.loads[name].sum() == wanted.sum()
        assert np.array_equal(came if name == tensor else came[1:], wanted)


def roomiest(layer, spec):
    """The folds that keep the most of the input on chip."""
    return next(candidates(Gemm(layer, 1), spec)).folds


@pytest.mark.parametrize("holding", ["whole", "lines", "strips", "stream"])
def test_every_holding_of_a_column_occurs(holding):
    """3x3, pad 1, 8 channels of 16x16, 4 outputs at a time, and both sides of each capacity."""
    layer = ConvLayer("c", C=8, K=2, H=16, W=16, R=3, S=3, padding=(1, 1, 1, 1))
    inner = 3 * (4 + 2)  # the tiles off the edges cover R x (4 + 2) pixels
    least = {"whole": 8 * 256, "lines": 8 * 3 * 16, "strips": 8 * inner, "stream": inner}
    half = least[holding]
    spec = SystolicSpec(rows=4, columns=2, ifmap_bytes=2 * half)
    assert roomiest(layer, spec).input_holding == holding
    below = spec.model_copy(update={"ifmap_bytes": 2 * half - 1})
    if holding == "stream":
        with pytest.raises(OperandError, match=r"c: one step needs 18 B of the ifmap scratchpad"):
            plan(layer, below)
    else:
        assert roomiest(layer, below).input_holding != holding


def test_whole_needs_only_what_outputs_read():
    """1x1 with stride 3: 6 of 16 lines are read, a line and the two after it by turns."""
    layer = ConvLayer("c", C=8, K=2, H=16, W=16, stride=3)
    spec = SystolicSpec(rows=6, columns=2, ifmap_bytes=2 * 8 * 6 * 16)
    assert roomiest(layer, spec).input_holding == "whole"
    assert roomiest(layer, spec).loads["input"].sum() == 8 * 6 * 16


def test_whole_and_lines_fetch_each_pixel_once_per_pass():
    layer = ConvLayer("c", C=8, K=6, H=16, W=16, R=3, S=3, padding=(1, 1, 1, 1))
    spec = SystolicSpec(rows=4, columns=2, ifmap_bytes=2 * 8 * 256)
    assert roomiest(layer, spec).loads["input"].sum() == 8 * 256
    below = spec.model_copy(update={"ifmap_bytes": 2 * 8 * 255})
    assert roomiest(layer, below).input_holding == "lines"
    assert roomiest(layer, below).loads["input"].sum() == 3 * 8 * 256


def test_strips_fetch_a_pixel_once_per_kernel_row():
    layer = ConvLayer("c", C=1, K=1, H=9, W=64, R=3, S=3)
    spec = SystolicSpec(rows=31, columns=2, ifmap_bytes=2 * 110)
    folds = roomiest(layer, spec)
    assert folds.input_holding == "strips"
    # At each of 6 line ends two of the three strips reach 2 pixels into the next tile's.
    assert folds.loads["input"].sum() == 3 * 7 * 64 - 6 * 2 * 2


def test_planes_are_fetched_once_per_column_of_folds():
    layer = ConvLayer("c", C=6, K=9, H=8, W=8)
    spec = SystolicSpec(rows=2, columns=3, dataflow="ws", ifmap_bytes=2 * 2 * 64)
    folds = roomiest(layer, spec)
    assert folds.input_holding == "planes"
    assert folds.loads["input"].sum() == 3 * 6 * 64
    below = roomiest(layer, spec.model_copy(update={"ifmap_bytes": 2 * 2 * 64 - 1}))
    assert below.input_holding == "stream"
    assert below.lengths.shape[2] == 2


def test_a_filter_tile_that_fits_is_fetched_once():
    layer = ConvLayer("c", C=10, K=4, H=6, W=1)
    spec = SystolicSpec(rows=2, columns=4, filter_bytes=2 * 10 * 4)
    fits = plan(layer, spec)
    assert fits.first.folds.weights_held
    assert fits.steps().loads["weight"].sum() == 40
    below = plan(layer, spec.model_copy(update={"filter_bytes": 2 * 10 * 4 - 1}))
    assert not below.first.folds.weights_held
    assert below.first.level == "piece"
    assert below.steps().loads["weight"].sum() == 3 * 40


def test_a_channel_is_cut_where_its_taps_do_not_fit():
    layer = ConvLayer("c", C=2, K=4, H=5, W=5, R=3, S=3)
    spec = SystolicSpec(rows=2, columns=4, filter_bytes=2 * 4 * 4)
    assert roomiest(layer, spec).k.tolist() == [0, 4, 8, 9, 13, 17, 18]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"filter_bytes": 7}, r"c: one step needs 4 B of the filter scratchpad, half .* 3 B"),
        ({"ofmap_bytes": 15}, r"c: one step needs 8 B of the ofmap scratchpad, half .* 7 B"),
        ({"dataflow": "ws", "filter_bytes": 15}, r"needs 8 B of the filter scratchpad"),
        ({"dataflow": "ws", "ofmap_bytes": 31}, r"needs 16 B of the ofmap scratchpad"),
        ({"dataflow": "is", "filter_bytes": 3}, r"needs 2 B of the filter scratchpad"),
        ({"dataflow": "is", "ofmap_bytes": 31}, r"needs 16 B of the ofmap scratchpad"),
        ({"dataflow": "is", "ifmap_bytes": 15}, r"needs 8 B of the ifmap scratchpad"),
        ({"dataflow": "ws", "ifmap_bytes": 3}, r"needs 2 B of the ifmap scratchpad"),
    ],
)
def test_a_buffer_too_small_for_one_step_is_refused(fields, message):
    layer = ConvLayer("c", C=6, K=4, H=30, W=1)
    chosen = {"rows": 2, "columns": 4} | fields
    with pytest.raises(OperandError, match=message):
        plan(layer, SystolicSpec(**chosen))
    name = next(name for name in fields if name.endswith("_bytes"))
    assert plan(layer, SystolicSpec(**(chosen | {name: fields[name] + 1}))).folds > 0


@pytest.mark.parametrize("dataflow", ["ws", "is"])
def test_psums_spill_where_they_do_not_fit(dataflow):
    """12 streamed words x 4 columns x 4 B between 3 folds of taps."""
    pixels, filters = (12, 4) if dataflow == "ws" else (4, 12)
    layer = ConvLayer("c", C=6, K=filters, H=pixels, W=1)
    spec = SystolicSpec(rows=2, columns=4, dataflow=dataflow, ofmap_bytes=2 * 12 * 4 * 4)
    held = MACHINE.run_shape(layer, spec).result.counters
    assert held.traffic_bytes("dram", tensor="psum") == 0
    spilled = MACHINE.run_shape(
        layer, spec.model_copy(update={"ofmap_bytes": 2 * 12 * 4 * 4 - 1, "dram_burst_bytes": 1})
    ).result.counters
    assert spilled.traffic_bytes("dram", tensor="psum", direction="write") == 2 * 48 * 4
    assert spilled.traffic_bytes("dram", tensor="psum", direction="read") == 2 * 48 * 4
    assert spilled.compute_cycles == held.compute_cycles


@settings(max_examples=100, deadline=None)
@given(small_layers(), st.integers(1, 2), specs(dram_burst_bytes=1), st.data())
def test_dram_carries_every_tensor_at_least_once(layer, images, spec, data):
    small = spec.model_copy(
        update={
            "ifmap_bytes": data.draw(st.integers(600, 2000)),
            "filter_bytes": 2 * spec.units + data.draw(st.integers(0, 60)),
            "ofmap_bytes": 8 * spec.units + data.draw(st.integers(0, 300)),
        }
    )
    counters = MACHINE.run_shape(layer, small, images).result.counters
    weights = int(np.prod(layer.weight_shape))
    outputs = images * layer.K * layer.P * layer.Q
    taps = (0, layer.channels_per_group * layer.R * layer.S)
    needed = len(touched(layer, (0, images * layer.P * layer.Q), taps)) * layer.groups
    assert counters.traffic_bytes("dram", tensor="input") >= needed
    assert counters.traffic_bytes("dram", tensor="weight") >= weights
    assert counters.traffic_bytes("dram", tensor="output") == outputs
    spilled = counters.traffic_bytes("dram", tensor="psum", direction="write")
    assert counters.traffic_bytes("dram", tensor="psum", direction="read") == spilled
    roomy = MACHINE.run_shape(layer, spec, images).result.counters
    assert counters.dram_bytes >= roomy.dram_bytes
