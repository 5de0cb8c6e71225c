"""Hypothesis strategies for Bit-Tactical: small layers, specs and tensors."""

import numpy as np
from hypothesis import strategies as st

from arch.bit_tactical.spec import BitTacticalSpec
from tests.arch.layers import small_layers
from workloads.requantize import Requantizer
from workloads.tensors import LayerTensors


def layers():
    """Some are 1x1, whose steps hold channels alone."""

    def side(least):
        return st.integers(least, least + 3)

    return small_layers(
        channels=st.integers(1, 5),
        filters=st.integers(1, 4),
        height=side,
        width=side,
        groups=(1, 1, 1, 2, 3, 5),
        pointwise=st.integers(0, 4).map(lambda number: number == 0),
    )


@st.composite
def specs(draw, **fields):
    """A small machine with little memory; ``fields`` replaces what is drawn."""
    lookahead = draw(st.integers(0, 3))
    chosen = {
        "tiles": draw(st.integers(1, 4)),
        "filters": draw(st.integers(1, 3)),
        "lanes": draw(st.integers(1, 5)),
        "columns": draw(st.integers(1, 4)),
        "back_end": draw(st.sampled_from(("bit_parallel", "precision", "bits"))),
        "terms": draw(st.sampled_from(("booth", "ones"))),
        "lookahead": lookahead,
        "lookaside": draw(st.integers(0, 6)) if lookahead else 0,
        "search": draw(st.sampled_from("TL")),
        "operand_bits": draw(st.sampled_from((8, 16))),
        "port_bytes": draw(st.sampled_from((1, 4, 32))),
        "activation_bytes": draw(st.sampled_from((2400, 4000, 1 << 16))),
        "weight_bytes": draw(st.sampled_from((500, 1000, 1 << 16))),
        "output_bytes": draw(st.sampled_from((200, 500, 1 << 16))),
    }
    return BitTacticalSpec(**(chosen | fields))


def values(rng, shape, low, high, density):
    """Non-zeros low..high - 1 at about ``density``, small ones more often than large ones."""
    wide = rng.integers(low, high, shape) >> rng.integers(0, 7, shape)
    return np.where(rng.random(shape) < density, np.where(wide == 0, 1, wide), 0)


@st.composite
def tensors(draw):
    layer = draw(layers())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    images = draw(st.sampled_from((1, 1, 2, 3)))
    weight = draw(st.sampled_from((0.0, 0.1, 0.3, 0.6, 1.0)))
    pixel = draw(st.sampled_from((0.0, 0.3, 0.7, 1.0)))
    kind, low = draw(st.sampled_from(((np.uint8, 0), (np.int8, -128))))
    pixels = values(rng, (images, layer.C, layer.H, layer.W), low, low + 256, pixel)
    weights = values(rng, layer.weight_shape, -128, 128, weight)
    requantizer = None
    if draw(st.booleans()):
        bounds = draw(st.sampled_from(((0, 255), (-128, 127))))
        ones = np.ones(layer.K, np.int32)
        requantizer = Requantizer(ones, 0 * ones, draw(st.integers(0, 8)), *bounds)
    return LayerTensors(
        layer,
        pixels.astype(kind),
        weights.astype(np.int8),
        requantizer=requantizer,
        origin="synthetic",
    )
