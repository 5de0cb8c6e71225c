"""What of the input stays in its scratchpad: one rule, four outcomes.

Assumption: a scratchpad has two halves, one feeding the array while the other is being filled.
What a step needs may fill one half.  A step keeps what the step before it needed and fetches
the rest; an operand of which one whole group fits half a scratchpad is fetched once.  The input
lies in DRAM as pixels in raster order, unexpanded: the taps of neighbouring outputs share pixels.
Padding is made on chip.  Each operand of a step is one run, rounded up to bursts.

======= =========================================================================================
whole   the group's input fits half the scratchpad: each pixel is fetched once
lines   the whole input lines under a tile of outputs fit with all channels: each pixel is
        fetched once per pass over the outputs
strips  only the pixels under the tile fit, not their whole lines: R strips slide along, so a
        pixel comes up to R times per pass
planes  weight stationary: all pixels of the channels of one fold fit; each is fetched once per
        column of folds
stream  none of these: each step fetches the pixels of its tile and channels
======= =========================================================================================
"""

from typing import Literal

import numpy as np

from arch.cuts import cut
from arch.systolic.gemm import Gemm
from arch.systolic.spec import SystolicSpec

Holding = Literal["whole", "lines", "strips", "planes", "stream"]


def _whole(gemm: Gemm, spec: SystolicSpec) -> bool:
    need = gemm.pixels * gemm.layer.channels_per_group * spec.operand_bytes
    return need <= spec.ifmap_bytes // 2


def column_holding(gemm: Gemm, spec: SystolicSpec, m: np.ndarray) -> Holding:
    """What stays where all channels of a tile of outputs are used before the next tile."""
    if _whole(gemm, spec):
        return "whole"
    half, depth = spec.ifmap_bytes // 2, gemm.layer.channels_per_group * spec.operand_bytes
    if int(gemm.lines(m).sizes().max()) * depth <= half:
        return "lines"
    if int(gemm.strips(m).sizes().max()) * depth <= half:
        return "strips"
    return "stream"


def plane_holding(gemm: Gemm, spec: SystolicSpec, channels: int) -> Holding:
    """What stays where all outputs pass before the next ``channels``."""
    if _whole(gemm, spec):
        return "whole"
    fits = gemm.pixels * channels * spec.operand_bytes <= spec.ifmap_bytes // 2
    return "planes" if fits else "stream"


def pixel_loads(gemm: Gemm, m: np.ndarray, holding: Holding, sweeps: int) -> np.ndarray:
    """Pixels fetched for each tile of outputs in each sweep over them: int64 (sweeps, tiles)."""
    if holding == "stream":
        return np.tile(gemm.strips(m).sizes(), (sweeps, 1))
    window = gemm.strips(m) if holding == "strips" else gemm.lines(m)
    loads = np.zeros((sweeps, m.size - 1), np.int64)
    loads[0] = window.fresh()
    if holding != "whole":
        loads[1:] = window.fresh(wrap=True)
    return loads


def needed_pixels(gemm: Gemm, outputs: int) -> int:
    """Most input pixels under ``outputs`` consecutive output pixels."""
    return int(gemm.strips(cut(gemm.M, outputs)).sizes().max())
