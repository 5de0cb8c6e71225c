"""Hypothesis strategies for SCNN: small layers, specs and sparse tensors."""

import numpy as np
from hypothesis import strategies as st

from arch.scnn.spec import ScnnSpec
from tests.arch.layers import small_layers, up_to
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

DENSITIES = (0.0, 0.2, 0.5, 0.8, 1.0)


@st.composite
def layers(draw):
    if draw(st.sampled_from((False, False, False, True))):
        groups = draw(st.sampled_from((1, 1, 2)))
        channels, filters = draw(st.integers(1, 8)), draw(st.integers(1, 14))
        return ConvLayer("fc", groups * channels, groups * filters, 1, 1, groups=groups)
    return draw(small_layers(channels=st.integers(1, 3), height=up_to(7), width=up_to(7)))


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
        "filters_per_group": draw(st.sampled_from(("fit", "fit", "fit", "most", 1, 3))),
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
