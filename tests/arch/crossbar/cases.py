"""Hypothesis strategies for the crossbar machine: small layers, specs and pruned tensors."""

import numpy as np
from hypothesis import strategies as st

from arch.crossbar.spec import CrossbarSpec
from tests.arch.layers import small_layers, up_to
from workloads.tensors import LayerTensors


@st.composite
def specs(draw, **fields):
    """Small crossbars, few of them; ADCs that suffice unless ``fields`` says otherwise."""
    cell_bits = draw(st.sampled_from((1, 2, 3, 4, 8)))
    each = 2 * -(-8 // cell_bits)
    dac_bits = draw(st.sampled_from((1, 2, 3)))
    most = 1023 // (((1 << cell_bits) - 1) * ((1 << dac_bits) - 1))
    if not most:
        dac_bits, most = 1, 1023 // ((1 << cell_bits) - 1)
    chosen = {
        "crossbars": each * draw(st.integers(1, 7)) + draw(st.integers(0, each - 1)),
        "crossbar_rows": draw(st.integers(1, 9)),
        "crossbar_columns": draw(st.integers(1, 4)),
        "rows_at_once": draw(st.integers(1, most)),
        "cell_bits": cell_bits,
        "dac_bits": dac_bits,
        "adcs_per_crossbar": draw(st.integers(1, 2)),
        "adc_hz": draw(st.sampled_from((10_000_000, 1_200_000_000))),
        "write_ns": draw(st.sampled_from((1, 100))),
        "skip": draw(st.sampled_from(("structured", "structured", "tiles", "none"))),
        "programming": draw(st.sampled_from(("counted", "beforehand"))),
        "copies": draw(st.sampled_from(("fill", "one"))),
        "operand_bytes": draw(st.sampled_from((1, 2))),
        "port_bytes": draw(st.sampled_from((1, 4, 32))),
        "input_bytes": draw(st.sampled_from((400, 1 << 16))),
        "weight_bytes": draw(st.sampled_from((64, 1 << 16))),
        "output_bytes": draw(st.sampled_from((300, 1 << 16))),
    }
    return CrossbarSpec(**(chosen | fields))


@st.composite
def tensors(draw):
    """Weights of which single ones, and whole rows, columns and corners, are zero."""
    layer = draw(small_layers(height=up_to(4), width=up_to(4)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    images = draw(st.sampled_from((1, 1, 2)))
    kind = draw(st.sampled_from((np.uint8, np.int8)))
    low = int(np.iinfo(kind).min)
    shape = (images, layer.C, layer.H, layer.W)
    pixels = rng.integers(low, low + 256, shape) * (rng.random(shape) < 0.7)
    matrix = rng.integers(-128, 128, (layer.K, layer.weight_shape[1] * layer.R * layer.S))
    keep = [draw(st.sampled_from((0.0, 0.4, 1.0))) for _ in range(3)]
    matrix *= rng.random(matrix.shape) < max(keep[0], 0.3)
    matrix *= rng.random((matrix.shape[0], 1)) < keep[1]
    matrix *= rng.random((1, matrix.shape[1])) < keep[2]
    weights = matrix.reshape(layer.weight_shape).astype(np.int8)
    return LayerTensors(layer, pixels.astype(kind), weights, origin="synthetic")
