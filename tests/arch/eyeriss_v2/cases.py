"""Hypothesis strategies for Eyeriss v2: small layers, sparse tensors, arrays of a few PEs."""

import numpy as np
from hypothesis import strategies as st

from arch.eyeriss_v2.model import work
from arch.eyeriss_v2.plan import Plan, plan
from arch.eyeriss_v2.spec import EyerissV2Spec
from arch.eyeriss_v2.worked import Worked
from arch.machine import Kept
from arch.outputs import stored_output
from arch.pairs import tap_counts
from tests.arch.layers import small_layers, up_to
from workloads.convolve import convolve
from workloads.tensors import LayerTensors

DENSITIES = (0.0, 0.2, 0.5, 0.8, 1.0)


def layers():
    return small_layers(
        channels=st.integers(1, 5), S=st.integers(1, 4), height=up_to(5), width=up_to(6)
    )


@st.composite
def specs(draw, **fields):
    """A small array; ``fields`` replaces what is drawn."""
    chosen = {
        "grid_rows": draw(st.integers(1, 2)),
        "grid_columns": draw(st.integers(1, 2)),
        "cluster_rows": draw(st.integers(1, 3)),
        "cluster_columns": draw(st.integers(1, 2)),
        "macs_per_pe": draw(st.sampled_from((1, 2, 2, 3))),
        "processing": draw(st.sampled_from(("csc", "csc", "dense"))),
        "weight_loading": draw(st.sampled_from(("exposed", "overlapped"))),
        "iact_spad_words": draw(st.sampled_from((1, 2, 5, 16))),
        "iact_spad_segments": draw(st.sampled_from((2, 3, 9))),
        "weight_spad_words": draw(st.sampled_from((12, 24, 96))),
        "weight_spad_columns": draw(st.sampled_from((2, 3, 16))),
        "psum_spad_words": draw(st.sampled_from((1, 3, 32))),
        "count_bits": draw(st.sampled_from((1, 2, 4))),
        "psum_bits": 32,
        "iact_glb_bytes": draw(st.sampled_from((100, 300, 2048))),
        "psum_glb_bytes": draw(st.sampled_from((100, 400, 4096))),
        "pipeline_stages": draw(st.sampled_from((0, 7))),
        "dram_burst_bytes": draw(st.sampled_from((1, 64))),
    }
    return EyerissV2Spec(**(chosen | fields))


def sparse(rng, shape, density, low, high):
    """Integers low..high, zero where a random mask is off."""
    return rng.integers(low, high + 1, shape) * (rng.random(shape) < density)


@st.composite
def tensors(draw, images=None, density=None):
    layer = draw(layers())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = images or draw(st.sampled_from((1, 1, 2, 3)))
    shape = (count, layer.C, layer.H, layer.W)
    pixels = sparse(rng, shape, density or draw(st.sampled_from(DENSITIES)), 1, 255)
    weights = sparse(
        rng, layer.weight_shape, density or draw(st.sampled_from(DENSITIES)), 1, 127
    ) * rng.choice((-1, 1), layer.weight_shape)
    return LayerTensors(layer, pixels.astype(np.uint8), weights.astype(np.int8), origin="synthetic")


def worked(given_tensors, spec):
    """The layer on one machine."""
    output, _ = stored_output(given_tensors, convolve(given_tensors).astype(np.int32))
    return Worked(given_tensors, given_tensors.dense_weights(), output, spec)


def planned(given_tensors, spec):
    """The plan of all images together."""
    taps = tap_counts(given_tensors.layer, given_tensors.activations)
    return plan(worked(given_tensors, spec), taps)


def laid_out(given_tensors, mapping, spec):
    """The work of all images together by a mapping that is named."""
    found = worked(given_tensors, spec)
    named = Plan(mapping, found.columns(mapping), found.passes(mapping), (0, 0))
    weights = given_tensors.dense_weights()
    output, _ = stored_output(given_tensors, convolve(given_tensors).astype(np.int32))
    return work(given_tensors, named, weights, output, spec, Kept())
