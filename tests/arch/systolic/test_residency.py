"""Is everything a step needs on chip, is nothing counted twice, and does it fit?"""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.cuts import cut
from arch.errors import OperandError
from arch.systolic.gemm import Gemm
from arch.systolic.model import MACHINE
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


def order(steps, dataflow):
    """Steps in time: (position in the arrays, m tile, k tile)."""
    m, n, k = tiles(steps.m), tiles(steps.n), tiles(steps.k)
    axes = {"os": (n, m, k), "ws": (n, k, m), "is": (m, k, n)}[dataflow]
    m_at, k_at = {"os": (1, 2), "ws": (2, 1), "is": (0, 1)}[dataflow]
    for at in product(*(range(len(axis)) for axis in axes)):
        yield at, axes[m_at][at[m_at]], axes[k_at][at[k_at]]


def replay(layer, images, steps, spec):
    """Keep what the holding keeps, fetch the rest; checks every step on explicit sets."""
    depth = layer.channels_per_group
    once = steps.input_holding in ("whole", "lines", "planes")
    window = lines if once else strips
    held, tile_before = set(), None
    for at, m, k in order(steps, spec.dataflow):
        taps = layer.R * layer.S
        channels = set(range(k[0] // taps, -(-k[1] // taps)))
        pixels = window(layer, images, m)
        wanted = set(product(pixels, channels))
        fetched = wanted - held
        assert steps.loads["input"][at] >= len(fetched) * spec.operand_bytes
        if once:
            assert steps.loads["input"][at] == len(fetched) * spec.operand_bytes
        assert touched(layer, m, k) <= wanted
        if steps.input_holding == "whole":
            held |= fetched
            room = held
        elif steps.input_holding == "planes":
            room = {(pixel, c) for pixel, c in held if c in channels} | fetched
            held = room
        elif steps.input_holding == "stream":
            held = room = wanted
        else:
            if tile_before not in (None, m):
                held = {(pixel, c) for pixel, c in held if pixel in pixels}
            room = held = held | fetched
            assert len(pixels) * depth * spec.operand_bytes <= spec.ifmap_bytes // 2
        tile_before = m
        assert len(room) * spec.operand_bytes <= spec.ifmap_bytes // 2


@settings(max_examples=200, deadline=None)
@given(small_layers(), st.integers(1, 2), specs(), st.data())
def test_every_step_finds_its_input_on_chip(layer, images, spec, data):
    """In ``lines`` the tile before stays until the next one is complete: one half each."""
    size = data.draw(st.sampled_from((40, 100, 200, 400, 1000)))
    small = spec.model_copy(update={"ifmap_bytes": size, "operand_bytes": 1})
    try:
        steps = plan(layer, small, images)
    except OperandError as error:
        assert "ifmap scratchpad" in str(error)  # noqa: PT017
        return
    replay(layer, images, steps, small)


@pytest.mark.parametrize("holding", ["whole", "lines", "strips", "stream"])
def test_every_holding_of_a_column_occurs(holding):
    """3x3, pad 1, 8 channels of 16x16, 4 outputs at a time, and both sides of each capacity."""
    layer = ConvLayer("c", C=8, K=2, H=16, W=16, R=3, S=3, padding=(1, 1, 1, 1))
    inner = 3 * (4 + 2)  # the tiles off the edges cover R x (4 + 2) pixels
    least = {"whole": 8 * 256, "lines": 8 * 3 * 16, "strips": 8 * inner, "stream": inner}
    half = least[holding]
    spec = SystolicSpec(rows=4, columns=2, ifmap_bytes=2 * half)
    assert plan(layer, spec).input_holding == holding
    below = spec.model_copy(update={"ifmap_bytes": 2 * half - 1})
    if holding == "stream":
        with pytest.raises(OperandError, match=r"c: one step needs 18 B of the ifmap scratchpad"):
            plan(layer, below)
    else:
        assert plan(layer, below).input_holding != holding


def test_whole_and_lines_fetch_each_pixel_once_per_pass():
    layer = ConvLayer("c", C=8, K=6, H=16, W=16, R=3, S=3, padding=(1, 1, 1, 1))
    spec = SystolicSpec(rows=4, columns=2, ifmap_bytes=2 * 8 * 256)
    assert plan(layer, spec).loads["input"].sum() == 8 * 256
    below = spec.model_copy(update={"ifmap_bytes": 2 * 8 * 255})
    assert plan(layer, below).input_holding == "lines"
    assert plan(layer, below).loads["input"].sum() == 3 * 8 * 256


def test_strips_fetch_a_pixel_once_per_kernel_row():
    layer = ConvLayer("c", C=1, K=1, H=9, W=64, R=3, S=3)
    spec = SystolicSpec(rows=31, columns=2, ifmap_bytes=2 * 110)
    steps = plan(layer, spec)
    assert steps.input_holding == "strips"
    # At each of 6 line ends two of the three strips reach 2 pixels into the next tile's.
    assert steps.loads["input"].sum() == 3 * 7 * 64 - 6 * 2 * 2


def test_planes_are_fetched_once_per_column_of_folds():
    layer = ConvLayer("c", C=6, K=9, H=8, W=8)
    spec = SystolicSpec(rows=2, columns=3, dataflow="ws", ifmap_bytes=2 * 2 * 64)
    steps = plan(layer, spec)
    assert steps.input_holding == "planes"
    assert steps.loads["input"].sum() == 3 * 6 * 64
    below = plan(layer, spec.model_copy(update={"ifmap_bytes": 2 * 2 * 64 - 1}))
    assert below.input_holding == "stream"
    assert below.lengths.shape[2] == 2


def test_a_filter_tile_that_fits_is_fetched_once():
    layer = ConvLayer("c", C=10, K=4, H=6, W=1)
    spec = SystolicSpec(rows=2, columns=4, filter_bytes=2 * 10 * 4)
    fits = plan(layer, spec)
    assert fits.weights_held
    assert fits.loads["weight"].sum() == 40
    below = plan(layer, spec.model_copy(update={"filter_bytes": 2 * 10 * 4 - 1}))
    assert not below.weights_held
    assert below.lengths.shape == (1, 3, 2)
    assert below.loads["weight"].sum() == 3 * 40


def test_a_channel_is_cut_where_its_taps_do_not_fit():
    layer = ConvLayer("c", C=2, K=4, H=5, W=5, R=3, S=3)
    spec = SystolicSpec(rows=2, columns=4, filter_bytes=2 * 4 * 4)
    steps = plan(layer, spec)
    assert steps.k.tolist() == [0, 4, 8, 9, 13, 17, 18]


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
    assert plan(layer, SystolicSpec(**(chosen | {name: fields[name] + 1}))).folds


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
