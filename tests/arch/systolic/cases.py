"""Hypothesis strategies for the systolic array: small layers, specs and tensors."""

import numpy as np
from hypothesis import strategies as st

from arch.systolic.spec import SystolicSpec
from tests.arch.layers import small_layers
from workloads.tensors import LayerTensors

ROOMY = 1 << 16


@st.composite
def specs(draw, dataflow=None, **fields):
    """A small array; ``fields`` replaces what is drawn."""
    chosen = {
        "dataflow": dataflow or draw(st.sampled_from(("os", "ws", "is"))),
        "rows": draw(st.integers(1, 5)),
        "columns": draw(st.integers(2, 5)),
    }
    return SystolicSpec(**(chosen | fields))


@st.composite
def tensors(draw, images=None):
    layer = draw(small_layers())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = images or draw(st.sampled_from((1, 1, 2)))
    pixels = rng.integers(0, 256, (count, layer.C, layer.H, layer.W)).astype(np.uint8)
    weights = rng.integers(-128, 128, layer.weight_shape).astype(np.int8)
    return LayerTensors(layer, pixels, weights, origin="synthetic")
