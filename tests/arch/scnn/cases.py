"""Hypothesis strategies for SCNN: small layers, specs and sparse tensors."""

import numpy as np
from hypothesis import strategies as st

from arch.scnn.spec import ScnnSpec
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

DENSITIES = (0.0, 0.2, 0.5, 0.8, 1.0)


@st.composite
def layers(draw):
    if draw(st.sampled_from((False, False, False, True))):
        groups = draw(st.sampled_from((1, 1, 2)))
        channels, filters = draw(st.integers(1, 8)), draw(st.integers(1, 14))
        return ConvLayer("fc", groups * channels, groups * filters, 1, 1, groups=groups)
    R, S = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    dilation = draw(st.sampled_from((1, 1, 2)))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(4))
    least_h = max(1, dilation * (R - 1) + 1 - padding[0] - padding[1])
    least_w = max(1, dilation * (S - 1) + 1 - padding[2] - padding[3])
    groups = draw(st.sampled_from((1, 1, 1, 2, 3)))
    return ConvLayer(
        "layer",
        C=groups * draw(st.integers(1, 3)),
        K=groups * draw(st.integers(1, 6)),
        H=draw(st.integers(least_h, max(least_h, 7))),
        W=draw(st.integers(least_w, max(least_w, 7))),
        R=R,
        S=S,
        stride=draw(st.sampled_from((1, 1, 2, 3))),
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


@st.composite
def specs(draw, **fields):
    """A small machine; ``fields`` replaces what is drawn."""
    chosen = {
        "pe_rows": draw(st.integers(1, 3)),
        "pe_columns": draw(st.integers(1, 3)),
        "activation_vector": draw(st.sampled_from((1, 2, 4, 4, 5))),
        "weight_vector": draw(st.sampled_from((1, 3, 4, 4))),
        "accumulator_entries": draw(st.sampled_from((32, 40, 64, 1024))),
        "iaram_bytes": draw(st.sampled_from((8, 20, 60, 4096))),
        "oaram_bytes": draw(st.sampled_from((8, 40, 4096))),
        "operand_bytes": draw(st.sampled_from((1, 2))),
        "index_bits": draw(st.sampled_from((1, 2, 4))),
        "filters_per_group": draw(st.sampled_from(("fit", "fit", 1, 3))),
        "tiling": draw(st.sampled_from(("output", "padded_input", "input"))),
        "barrier": draw(st.sampled_from(("group", "channel", "layer"))),
        "bank_conflicts": draw(st.sampled_from(("stall", "stall", "queued"))),
        "halo": draw(st.sampled_from(("hidden", "serial"))),
        "channel_cycles": draw(st.sampled_from((0, 0, 1, 3))),
        "skip_zeros": draw(st.sampled_from((True, True, True, False))),
    }
    return ScnnSpec(**(chosen | fields))


def sparse(layer, images, densities, seed):
    rng = np.random.default_rng(seed)
    shape = (images, layer.C, layer.H, layer.W)
    pixels = rng.integers(1, 256, shape) * (rng.random(shape) < densities[0])
    weights = rng.integers(-128, 128, layer.weight_shape)
    weights = np.where(weights == 0, 1, weights)
    weights = weights * (rng.random(layer.weight_shape) < densities[1])
    return LayerTensors(layer, pixels.astype(np.uint8), weights.astype(np.int8), origin="synthetic")


@st.composite
def tensors(draw, images=None):
    densities = draw(st.sampled_from(DENSITIES)), draw(st.sampled_from(DENSITIES))
    count = images or draw(st.sampled_from((1, 1, 2)))
    return sparse(draw(layers()), count, densities, draw(st.integers(0, 2**32 - 1)))
