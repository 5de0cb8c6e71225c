"""Hypothesis strategies for the systolic array: small layers, specs and tensors."""

import numpy as np
from hypothesis import strategies as st

from arch.systolic.spec import SystolicSpec
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

ROOMY = 1 << 16


@st.composite
def layers(draw):
    R, S = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    dilation = draw(st.sampled_from((1, 1, 2)))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(4))
    least_h = max(1, dilation * (R - 1) + 1 - padding[0] - padding[1])
    least_w = max(1, dilation * (S - 1) + 1 - padding[2] - padding[3])
    groups = draw(st.sampled_from((1, 1, 1, 2, 3)))
    return ConvLayer(
        "layer",
        C=groups * draw(st.integers(1, 4)),
        K=groups * draw(st.integers(1, 6)),
        H=draw(st.integers(least_h, max(least_h, 6))),
        W=draw(st.integers(least_w, max(least_w, 6))),
        R=R,
        S=S,
        stride=draw(st.sampled_from((1, 1, 2, 3))),
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


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
    layer = draw(layers())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = images or draw(st.sampled_from((1, 1, 2)))
    pixels = rng.integers(0, 256, (count, layer.C, layer.H, layer.W)).astype(np.uint8)
    weights = rng.integers(-128, 128, layer.weight_shape).astype(np.int8)
    return LayerTensors(layer, pixels, weights, origin="synthetic")
