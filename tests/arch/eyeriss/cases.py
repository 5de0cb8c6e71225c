"""Hypothesis strategies for Eyeriss: small layers, small arrays, sparse tensors."""

import numpy as np
from hypothesis import strategies as st

from arch.eyeriss.spec import EyerissSpec
from tests.arch.layers import small_layers
from workloads.requantize import Requantizer
from workloads.tensors import LayerTensors

SMALL = {"bank_bytes": 64, "glb_bytes": 4096, "filter_glb_bytes": 1024, "port_bytes": 4}


@st.composite
def specs(draw, **fields):
    """A small array whose buses, spads and banks all limit something now and then."""
    chosen = {
        **SMALL,
        "rows": draw(st.integers(3, 8)),
        "columns": draw(st.integers(2, 6)),
        "ifmap_spad_words": draw(st.integers(6, 12)),
        "filter_spad_words": draw(st.integers(9, 40)),
        "psum_spad_words": draw(st.integers(1, 6)),
        "filter_bus_words": draw(st.integers(1, 4)),
        "ifmap_bus_words": draw(st.integers(1, 3)),
        "psum_bus_words": draw(st.integers(1, 4)),
        "operand_bytes": draw(st.sampled_from((1, 2))),
        "dram_overlap": draw(st.sampled_from(("on", "off"))),
        "compression": draw(st.sampled_from(("rlc", "all", "off"))),
        "run_bits": draw(st.sampled_from((1, 2, 5))),
        "objective": draw(st.sampled_from(("latency", "energy"))),
    }
    return EyerissSpec(**(chosen | fields))


@st.composite
def tensors(draw, images=None, **fields):
    layer = draw(small_layers())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from((0.0, 0.2, 0.6, 1.0)))
    shape = (images or draw(st.sampled_from((1, 1, 2))), layer.C, layer.H, layer.W)
    pixels = rng.integers(1, 256, shape) * (rng.random(shape) < density)
    weights = rng.integers(-127, 128, layer.weight_shape) * (rng.random(layer.weight_shape) < 0.7)
    rule = Requantizer(np.full(layer.K, 3, np.int32), np.zeros(layer.K, np.int32), 12, 0, 255)
    return LayerTensors(
        layer,
        pixels.astype(np.uint8),
        weights.astype(np.int8),
        requantizer=draw(st.sampled_from((rule, None))),
        producers=draw(st.sampled_from(((), ("before",)))),
        origin=draw(st.sampled_from(("captured", "file", "synthetic"))),
        **fields,
    )
