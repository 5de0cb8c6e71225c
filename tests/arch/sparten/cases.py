"""Hypothesis strategies for SparTen: small layers, tensors and machines."""

import numpy as np
from hypothesis import strategies as st

from arch.sparten.spec import SpartenSpec
from tests.arch.layers import small_layers, up_to
from workloads.requantize import Requantizer
from workloads.tensors import LayerTensors

DENSITIES = (0.0, 0.2, 0.5, 0.8, 1.0)


def layers():
    return small_layers(
        channels=st.sampled_from((1, 1, 2, 4, 7)),
        filters=st.integers(1, 7),
        height=up_to(4),
        width=up_to(4),
    )


@st.composite
def specs(draw, layer=None, **fields):
    """A small machine; with a layer, its shared buffers may be just large enough for one row."""
    chunk = draw(st.sampled_from((1, 3, 4, 16, 128)))
    units = draw(st.integers(1, 4))
    word = draw(st.sampled_from((1, 1, 2)))
    pointer = draw(st.sampled_from((0, 2, 4)))
    full = -(-chunk // 8) + chunk * word
    sizes = {}
    if layer is not None and draw(st.booleans()):
        pieces = -(-layer.C // chunk)
        reach = min(layer.H, layer.reach[0])
        pixel = layer.C * word + pieces * (-(-chunk // 8) + pointer)
        chunks = 2 * units * (full + pointer)
        row = layer.Q * 2 * units * (4 + pointer + 1)
        slack = st.sampled_from((1.0, 1.5, 3.0))
        sizes = {
            "input_glb_bytes": int(2 * draw(slack) * reach * layer.W * pixel),
            "filter_glb_bytes": int(2 * draw(slack) * chunks),
            "output_glb_bytes": int(2 * draw(slack) * row),
        }
    chosen = {
        "clusters": draw(st.integers(1, 5)),
        "units_per_cluster": units,
        "chunk": chunk,
        "chunk_order": draw(st.sampled_from(("channels_first", "taps"))),
        "skip": draw(st.sampled_from(("both", "both", "weights", "activations", "none"))),
        "sync": draw(st.sampled_from(("asynchronous", "broadcast", "chunk"))),
        "balance": draw(st.sampled_from(("none", "software", "hardware"))),
        "load_cycles": draw(st.sampled_from((1, 1, 3))),
        "filter_buffer_bytes": 2 * full + draw(st.sampled_from((0, 40, 400))),
        "input_buffer_bytes": 2 * full,
        "operand_bytes": word,
        "pointer_bytes": pointer,
        "port_bytes": draw(st.sampled_from((1, 4, 32))),
        "unit_port_bytes": draw(st.sampled_from((2, 8))),
        "dram_bandwidth_bytes_per_s": draw(st.sampled_from((10**9, 25_600_000_000))),
    }
    return SpartenSpec(**(chosen | sizes | fields))


def sparse(rng, shape, density, low, high):
    return rng.integers(low, high, shape) * (rng.random(shape) < density)


@st.composite
def tensors(draw, layer, images=None):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = images or draw(st.sampled_from((1, 1, 2)))
    shape = (count, layer.C, layer.H, layer.W)
    pixels = sparse(rng, shape, draw(st.sampled_from(DENSITIES)), 1, 256).astype(np.uint8)
    density = draw(st.sampled_from(DENSITIES))
    weights = sparse(rng, layer.weight_shape, density, -128, 128).astype(np.int8)
    requantizer = None
    if draw(st.booleans()):
        multiplier = np.ones(layer.K, np.int32)
        bias = rng.integers(-500, 500, layer.K).astype(np.int32)
        requantizer = Requantizer(multiplier, bias, draw(st.integers(0, 9)), 0, 255)
    return LayerTensors(layer, pixels, weights, requantizer=requantizer, origin="synthetic")


@st.composite
def cases(draw, **fields):
    """(tensors, spec)."""
    layer = draw(layers())
    return draw(tensors(layer)), draw(specs(layer, **fields))
