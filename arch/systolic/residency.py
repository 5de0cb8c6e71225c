"""What of the input stays in its scratchpad: one rule, five outcomes.

Assumption: a scratchpad has two halves, one feeding the array while the other is being filled.
What a step needs may fill one half.  A piece of a fold keeps what the piece before it needed and
fetches the rest; an operand of which one whole group fits half a scratchpad is fetched once.  The
input lies in DRAM as pixels in raster order, unexpanded: the taps of neighbouring outputs share
pixels.  Padding is made on chip.

======= =========================================================================================
whole   all of the group's input that is read fits half the scratchpad: each pixel is fetched once
lines   the whole input lines under a tile of outputs fit with all channels: each pixel is
        fetched once per sweep over the outputs
strips  only the pixels under the tile fit, not their whole lines: R strips slide along, so a
        pixel comes up to R times per sweep
planes  weight stationary: all pixels of the channels of one fold fit; each is fetched once per
        row of folds
stream  none of these: each piece fetches the pixels of its tile and channels
======= =========================================================================================

Rules: specification/systolic.md, SYS-6 and SYS-7.
"""

from functools import lru_cache
from typing import Literal

import numpy as np

from arch.cuts import cut
from arch.systolic.gemm import Gemm

Holding = Literal["whole", "lines", "strips", "planes", "stream"]

# Pairs of which the second needs less room and is else never better: its steps fetch no less.
COLUMN_HOLDINGS: tuple[tuple[Holding, ...], ...] = (("whole", "lines"), ("strips", "stream"))
PLANE_HOLDINGS: tuple[tuple[Holding, ...], ...] = (("whole", "planes"), ("stream",))


@lru_cache(maxsize=16)  # a search asks for the same tiles again and again
def column_windows(
    gemm: Gemm, size: int, holding: Holding, sweeps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels where all channels of a tile of ``size`` outputs are used before the next tile.

    Returns
    -------
    held : int64 (tiles,), pixels on chip at each tile
    loads : int64 (sweeps, tiles), pixels fetched for each tile in each sweep over them
    """
    m = cut(gemm.M, size)
    loads = _pixel_loads(gemm, m, holding, sweeps)
    if holding == "whole":
        held = np.full(m.size - 1, loads[0].sum(), np.int64)
    else:
        held = (gemm.lines(m) if holding == "lines" else gemm.strips(m)).sizes()
    held.setflags(write=False)
    loads.setflags(write=False)
    return held, loads


def plane_pixels(gemm: Gemm, m: np.ndarray, holding: Holding) -> np.ndarray:
    """Pixels on chip at each piece of the outputs that all pass before the next channels."""
    if holding == "stream":
        return gemm.strips(m).sizes()
    return np.full(m.size - 1, gemm.lines(m).fresh().sum(), np.int64)


def _pixel_loads(gemm: Gemm, m: np.ndarray, holding: Holding, sweeps: int) -> np.ndarray:
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
