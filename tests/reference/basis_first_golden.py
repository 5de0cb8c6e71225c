"""Golden values of the Basis-First machine: specification/basis_first_counts.md, BF-80 to BF-83.

They were computed by another reference, written from the same rules.

Masks by ``masks.py``: X salt 1 in (N=1, C, H, W) order, weights or coefficients salt 2, signs by
salt 3; X values 1, basis all ones, uint8.  Default fields save those listed.  DRAM bytes are whole
bursts, row pointers excluded.
"""

from dataclasses import dataclass, field

import numpy as np

from tests.reference.masks import ones, signed
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def decomposed(layer: ConvLayer, bases: int, x: float, t: float, *, sign=True) -> LayerTensors:
    """X and T from the mask generator, B all ones."""
    draw = signed if sign else ones
    return LayerTensors(
        layer,
        ones((1, layer.C, layer.H, layer.W), x, 1),
        basis=np.ones((bases, layer.R, layer.S), np.int8),
        coefficients=draw((layer.K, layer.channels_per_group, bases), t, 2).astype(np.int8),
        origin="synthetic",
    )


def bypass(layer: ConvLayer, x: float, w: float) -> LayerTensors:
    """X and W from the mask generator."""
    activations = ones((1, layer.C, layer.H, layer.W), x, 1)
    weights = signed(layer.weight_shape, w, 2)
    return LayerTensors(layer, activations, weights=weights, origin="synthetic")


def pointwise(layer: ConvLayer, x: float, t: float) -> LayerTensors:
    """X and T from the mask generator."""
    activations = ones((1, layer.C, layer.H, layer.W), x, 1)
    signs = signed((layer.K, layer.channels_per_group, 1), t, 2)
    return LayerTensors(layer, activations, coefficients=signs, origin="synthetic")


# Rule: specification/basis_first_counts.md, BF-81: C, K, H, M, stride, density of X and of T,
# whether T is signed, changed fields; compute cycles, pairs, sum of t_CA, sum of psums.
NARROW = {"lookahead": 1, "lookaside": 0, "intermediate_fifo": 1, "broadcast_window": 1}
LAYERS = [
    ((32, 8, 8, 6, 1), 0.5, 0.3, False, {}, (178, 13799, 3072, 105233)),
    ((100, 40, 9, 5, 2), 0.4, 0.2, False, {}, (268, 130984, 19261, 271977)),
    ((256, 33, 6, 6, 1), 0.45, 0.5, False, {}, (374, 412525, 33612, 2930711)),
    ((256, 33, 6, 6, 1), 0.45, 0.5, False, NARROW, (709, 412525, 48548, 2930711)),
    ((6, 20, 7, 3, 1), 0.4, 0.5, True, {"mac_row_width": 1}, (352, 3784, 2940, 1408)),
]
# Rule BF-82: validity rows, cycles with (lookahead, lookaside) 4,1; 1,0; 2,2.
WINDOWS = [
    ([0x1, 0x1, 0x1, 0x1, 0x1], (2, 5, 2)),
    ([0xFFFF, 0, 0, 0, 0, 0, 0x1], (2, 4, 3)),
    ([0xFF, 0xF0F, 0x8001, 0x2], (3, 3, 2)),
    ([0x5555, 0x5555, 0x5555], (2, 3, 2)),
    ([0, 0, 0, 0, 0, 0, 0x8000], (2, 4, 3)),
]


@dataclass(frozen=True)
class GoldenRow:
    """One layer and what comes of it."""

    name: str
    tensors: LayerTensors
    fields: dict
    order: str
    shape: tuple  # (P_t, Q_t), tiles, k-tiles, passes, steps
    cycles: tuple  # cycles, compute, drain, pipeline, stall
    dram: tuple  # input, coefficient, basis, output bytes
    sums: tuple  # pairs, t_CA, psums
    causes: tuple  # MAC, CA, broadcast, slowest, idle, DRAM
    planes: tuple[int, ...] | None = field(default=None)


def conv(C: int, K: int, size: int, **more) -> ConvLayer:
    """A 3x3 layer with pad 1."""
    return ConvLayer("golden", C, K, size, size, 3, 3, padding=(1, 1, 1, 1), **more)


LAYER_D = decomposed(conv(40, 36, 7), 8, 0.5, 0.3)
LAYER_E = decomposed(conv(32, 40, 12), 6, 0.5, 0.3)
INNER = "input_outer"
OUTER = "coefficient_outer"

GOLDEN = (
    GoldenRow(
        "A depthwise bypass",
        bypass(conv(40, 40, 9, stride=2, groups=40), 0.5, 0.6),
        {},
        OUTER,
        ((5, 5), 1, 1, 1, 1),
        (382, 115, 5, 8, 254),
        (2048, 384, 0, 576),
        (0, 1621, 182),
        (3253, 175, 32, 220, 416, 8128),
    ),
    GoldenRow(
        "B dense bypass",
        bypass(conv(10, 6, 8), 0.5, 0.6),
        {},
        OUTER,
        ((8, 8), 1, 1, 2, 2),
        (572, 352, 8, 16, 196),
        (512, 640, 0, 256),
        (0, 1998, -73),
        (2088, 12, 12, 0, 9920, 6272),
    ),
    GoldenRow(
        "C pointwise, 4 channel tiles",
        pointwise(ConvLayer("golden", 200, 70, 5, 5), 0.5, 0.4),
        {"coefficient_buffer_bytes": 32},
        OUTER,
        ((5, 5), 1, 1, 4, 4),
        (653, 182, 0, 32, 439),
        (3200, 2624, 0, 1152),
        (71267, 10601, 1111),
        (3200, 2182, 128, 314, 1024, 14048),
    ),
    GoldenRow(
        "D decomposed M=8",
        LAYER_D,
        {},
        OUTER,
        ((7, 7), 1, 2, 2, 4),
        (894, 542, 14, 32, 306),
        (1280, 1984, 128, 1408),
        (82954, 14249, 17309),
        (9503, 77, 72, 104, 9060, 9792),
    ),
    GoldenRow(
        "E1 row groups",
        LAYER_E,
        {"loop_order": OUTER, "input_glb_bytes": 2048},
        OUTER,
        ((12, 12), 1, 2, 1, 6),
        (1410, 828, 24, 48, 510),
        (6016, 1280, 64, 3968),
        (165877, 34560, 26894),
        (16320, 120, 120, 0, 12240, 16320),
    ),
    GoldenRow(
        "E3 row tiles",
        LAYER_E,
        {"loop_order": INNER, "input_glb_bytes": 2048},
        INNER,
        ((2, 12), 6, 2, 1, 12),
        (1908, 840, 144, 96, 828),
        (5568, 1280, 64, 4224),
        (304381, 63360, 26894),
        (16320, 240, 240, 0, 17760, 26496),
    ),
    GoldenRow(
        "E5 M=8, psum row tiles",
        LAYER_D,
        {"loop_order": OUTER, "psum_buffer_bytes": 64, "input_glb_bytes": 1024},
        OUTER,
        ((2, 7), 4, 2, 2, 24),
        (2917, 598, 56, 192, 2071),
        (7936, 5952, 128, 1536),
        (154998, 26460, 17309),
        (9537, 585, 432, 434, 16084, 66272),
    ),
    GoldenRow(
        "D2 two input planes",
        LAYER_D,
        {},
        OUTER,
        ((7, 7), 1, 2, 2, 4),
        (896, 542, 14, 32, 308),
        (1344, 1984, 128, 1408),
        (82954, 14249, 17309),
        (9503, 77, 72, 104, 9060, 9856),
        planes=(36, 4),
    ),
    GoldenRow(
        "F stalls",
        LAYER_D,
        {"dram_bandwidth_bytes_per_s": 200_000_000},
        OUTER,
        ((7, 7), 1, 2, 2, 4),
        (19830, 542, 14, 32, 19242),
        (1280, 1984, 128, 1408),
        (82954, 14249, 17309),
        (9503, 77, 72, 104, 9060, 615744),
    ),
    GoldenRow(
        "H input outer, full-width tiles",
        LAYER_E,
        {"loop_order": INNER, "pe_blocks": 8, "input_glb_bytes": 2048},
        INNER,
        ((2, 12), 6, 5, 1, 30),
        (5360, 2100, 360, 240, 2660),
        (5568, 7680, 64, 4608),
        (304381, 63360, 26894),
        (16320, 240, 240, 0, 4800, 21280),
    ),
    GoldenRow(
        "I M=8, output row groups",
        LAYER_D,
        {"loop_order": OUTER, "output_glb_bytes": 512},
        OUTER,
        ((7, 7), 1, 2, 2, 9),
        (1279, 552, 14, 72, 641),
        (1280, 1984, 128, 1536),
        (82954, 14249, 17309),
        (9503, 237, 232, 104, 10340, 20512),
    ),
)
