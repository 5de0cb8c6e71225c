"""Hypothesis strategies: layers, their tensors, and fields of the Basis-First machine.

Sizes stay small enough for a slow reference; buffers shrink to just above what the layer needs,
so that strips, row tiles, channel tiles, several passes and a FIFO of one entry are all common.
"""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
from hypothesis import strategies as st

from tests.arch.layers import steps
from workloads import formats
from workloads.layer import ConvLayer
from workloads.requantize import Requantizer
from workloads.tensors import LayerTensors

SIMPLE_KINDS = ("decomposed", "decomposed", "pointwise", "bypass", "bypass", "depthwise", "linear")
KINDS = (*SIMPLE_KINDS, "wide")  # named twice: twice as often
DENSITIES = (0.0, 0.1, 0.4, 0.7, 1.0)
CHANNELS = (1, 2, 3, 5, 8, 15, 16, 17, 33)
# Buffers that cut channel tiles; in wide layers, such that the vector buffer cuts k-tiles.
PASS_BUFFERS = {
    "coefficient_buffer_bytes": (2, 3, 4, 8, 16, 1024),
    "vector_buffer_bytes": (72, 75, 100, 4096),
}
WIDE = {
    "coefficient_buffer_bytes": (12, 32, 1024),
    "vector_buffer_bytes": (72, 75, 100),
    "pe_blocks": (3, 5, 32),
}


@st.composite
def layers(draw, kind: str) -> ConvLayer:
    """A layer of one kind; ``wide`` has many channels in groups, ``linear`` a 1x1 plane."""
    if kind == "linear":
        C, K = draw(st.integers(1, 70)), draw(st.integers(1, 20))
        return ConvLayer("linear", C, K, 1, 1)
    groups, per_group, K = draw(_channels(kind))
    if kind == "pointwise":
        R = S = down = across = 1
    else:
        R, S = draw(st.integers(1, 3)), draw(st.integers(1, 4))
        down, across = draw(steps(2))
    stride = draw(steps(3))
    top_pad = 1 if kind == "pointwise" else 2
    padding = tuple(draw(st.integers(0, top_pad)) for _ in range(4))
    largest = 3 if kind == "wide" else 8
    least_h = max(1, down * (R - 1) + 1 - padding[0] - padding[1])
    least_w = max(1, across * (S - 1) + 1 - padding[2] - padding[3])
    H = draw(st.integers(least_h, max(least_h, largest)))
    W = draw(st.integers(least_w, max(least_w, largest)))
    return ConvLayer(
        kind, groups * per_group, K, H, W, R, S, stride, padding, (down, across), groups
    )


@st.composite
def _channels(draw, kind: str) -> tuple[int, int, int]:
    """(groups, input channels per group, output channels)."""
    if kind == "depthwise":
        groups = draw(st.integers(2, 12))
        return groups, 1, groups * draw(st.integers(1, 3))
    if kind == "wide":
        groups = draw(st.integers(3, 5))
        return groups, draw(st.integers(17, 33)), groups * draw(st.integers(1, 2))
    groups = draw(st.sampled_from((1, 1, 2, 3)))
    return groups, draw(st.sampled_from(CHANNELS)), groups * draw(st.integers(1, 4))


def _sparse(draw, rng: np.random.Generator, shape: tuple[int, ...], low: int, high: int):
    """Integers low..high, zero where a mask of a drawn density is off."""
    values = rng.integers(low, high + 1, shape)
    return values * (rng.random(shape) < draw(st.sampled_from(DENSITIES)))


@st.composite
def tensors(draw, kind: str, *, images: int | None = None, most_bases: int = 6) -> LayerTensors:
    """Weights and activations of one layer, in the mode its kind calls for."""
    layer = draw(layers(kind))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.sampled_from((1, 1, 2))) if images is None else images
    dtype = draw(st.sampled_from((np.uint8, np.int8)))
    # Values of 1 alone make sums cancel often.
    low, high = (0, 1) if draw(st.booleans()) else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    x = _sparse(draw, rng, (count, layer.C, layer.H, layer.W), low, high).astype(dtype)
    common = {"requantizer": draw(_requantizers(layer.K)), "origin": "synthetic"}
    if kind in ("bypass", "depthwise"):
        weights = _sparse(draw, rng, layer.weight_shape, -127, 127).astype(np.int8)
        return LayerTensors(layer, x, weights=weights, **common)
    ternary = kind in ("pointwise", "linear")
    bases = 1 if ternary else draw(st.integers(1, min(most_bases, layer.R * layer.S)))
    signs = _sparse(draw, rng, (layer.K, layer.channels_per_group, bases), -1, 1)
    if draw(st.booleans()):
        signs[rng.random(layer.K) < 0.3] = 0  # whole filters vanish
    basis = None if ternary else rng.integers(-127, 128, (bases, layer.R, layer.S), np.int8)
    scales = draw(_scales(layer.K, bases))
    signs = signs.astype(np.int8)
    coding = str(rng.choice(["bitmap", *formats.FORMATS]))
    return LayerTensors(
        layer, x, basis=basis, coefficients=signs, coding=coding, **scales, **common
    )


@st.composite
def _scales(draw, K: int, bases: int) -> dict[str, object]:
    """Scales of one granularity: folded away, alpha, or p and n."""
    kind = draw(st.sampled_from(("folded", "alpha", "two_sided")))
    most = draw(st.sampled_from((2, 255)))  # small scales let p V+ and n V- cancel
    if kind == "alpha":
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        return {"alpha": rng.integers(1, most + 1, (K, bases)).astype(np.uint8)}
    if kind == "two_sided":
        return {"two_sided": (draw(st.integers(1, most)), draw(st.integers(1, most)))}
    return {}


@st.composite
def _requantizers(draw, K: int) -> Requantizer | None:
    if draw(st.booleans()):
        return None
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    multiplier = rng.integers(1, 1 << 10, K, np.int32)
    bias = rng.integers(-1000, 1000, K, np.int32)
    low, high = draw(st.sampled_from(((0, 255), (-128, 127), (-32768, 32767))))
    return Requantizer(multiplier, bias, draw(st.integers(0, 20)), low, high)


NAMED = ("input_outer", "coefficient_outer")
ORDERS = ("auto", *NAMED)


@st.composite
def spec_fields(
    draw, case: LayerTensors, *, simple: bool = False, orders: tuple[str, ...] = ORDERS
) -> dict[str, object]:
    """Fields of the machine on which the layer runs in at least one permitted order."""
    bases = 1 if case.coefficients is None else case.coefficients.shape[2]
    depth = case.layer.channels_per_group if case.mode == "bypass" else bases
    largest = max(case.two_sided or (1 if case.alpha is None else int(case.alpha.max()),))
    wide = 255 * largest * case.layer.channels_per_group >= 1 << 19
    slices = draw(st.integers(depth, depth + 2)) if simple else draw(st.sampled_from((1, 2, 3, 6)))
    fields: dict[str, object] = {
        "pe_blocks": draw(st.sampled_from((1, 2, 3, 5, 32))),
        "slices_per_block": slices,
        "ca_lanes": draw(st.sampled_from((1, 2, 3, 4, 16))),
        "mac_row_width": draw(st.integers(1, 4)),
        "lookahead": draw(st.integers(0, 5)),
        "lookaside": draw(st.integers(0, 2)),
        "packing": draw(st.sampled_from(("window", "window", "ideal", "none"))),
        "intermediate_fifo": draw(st.sampled_from((1, 2, 4))),
        "broadcast_window": draw(st.integers(1, 5)),
        "broadcast_bytes_per_cycle": draw(st.sampled_from((1, 7, 128))),
        "pipeline_cycles": draw(st.sampled_from((0, 1, 8))),
        "clock_hz": draw(st.sampled_from((800_000_000, 333_333_333))),
        "dram_bandwidth_bytes_per_s": draw(st.sampled_from((10**9, 25_600_000_000, 10**15))),
        "dram_latency_ns": draw(st.sampled_from((0, 100))),
        "intermediate_bits": 32 if wide else 20,
    }
    if simple:
        return {**fields, "loop_order": "coefficient_outer"}
    fields["loop_order"] = draw(st.sampled_from(orders))
    for field, choices in (WIDE if case.layer.name == "wide" else PASS_BUFFERS).items():
        fields[field] = draw(st.sampled_from(choices))
    return {**fields, **draw(_tight_buffers(case, fields))}


@st.composite
def _tight_buffers(draw, case: LayerTensors, fields: dict) -> dict[str, object]:
    """GLB and psum bytes: what one output needs, times a drawn factor, or the default."""
    least = _least_bytes(case, fields)
    factors = {
        "input_glb_bytes": (1.0, 1.3, 2.0, 4.0),
        "output_glb_bytes": (1.0, 2.0, 4.0),
        "psum_buffer_bytes": (1.0, 1.5, 3.0),
    }
    tight = {}
    for field, choices in factors.items():
        if draw(st.booleans()):
            tight[field] = int(getattr(least, field) * draw(st.sampled_from(choices)))
    return tight


def _least_bytes(case: LayerTensors, fields: dict) -> SimpleNamespace:
    """Bytes with which a tile of one output is feasible in every permitted order."""
    layer = case.layer
    reach_rows = min(layer.H, layer.reach[0])
    reach_columns = min(layer.W, layer.reach[1]) if layer.Q > 1 else layer.W
    # At most three planes, so at most two more mask bytes than one plane has.
    pixel = int((case.activations != 0).sum(axis=1).max()) + -(-layer.C // 8) + 2
    if fields["loop_order"] != "input_outer":
        reach_rows = 1
    own_slices = case.mode == "pointwise" or layer.is_depthwise
    streams = fields["slices_per_block"] if own_slices else 1
    one_output = 2 * layer.K + -(-layer.K // 8)
    psum_rows = min(layer.P, -(-layer.reach[0] // layer.strides[0]))
    return SimpleNamespace(
        input_glb_bytes=2 * pixel * reach_rows * reach_columns,
        output_glb_bytes=2 * one_output,
        psum_buffer_bytes=4 * streams * psum_rows,
    )


@st.composite
def input_planes(draw, C: int) -> tuple[int, ...] | None:
    """Channels of every stored plane of the input, or None for one plane."""
    if C == 1 or draw(st.booleans()):
        return None
    cuts = draw(st.lists(st.integers(1, C - 1), max_size=2, unique=True))
    ends = [0, *sorted(cuts), C]
    return tuple(b - a for a, b in pairwise(ends))


@st.composite
def cases(
    draw, *, simple: bool = False, orders: tuple[str, ...] = ORDERS
) -> tuple[LayerTensors, dict[str, object], tuple[int, ...] | None]:
    """(tensors, fields, input_planes); ``simple``: one image, one tile, one pass per k-tile."""
    kind = draw(st.sampled_from(SIMPLE_KINDS if simple else KINDS))
    case = draw(tensors(kind, images=1 if simple else None))
    fields = draw(spec_fields(case, simple=simple, orders=orders))
    return case, fields, draw(input_planes(case.layer.C))
