"""The folds of one product: cycles, bytes from and to DRAM, and room in the scratchpads.

A fold is one pass of the array.  Cycles of a fold, source SCALE-Sim 3.0.0 (its own output is in
``reports/published/scalesim_gemm.csv``), array rows x columns, T words streamed through it:

======== =================================== ================================================
os       K + rows + columns - 2              operands pass, skewed by one cycle per row and
                                             column, until the far corner has seen the last tap
ws, is   T + 2 rows + columns - 2            the stationary tile shifts in, then T = M pixels
                                             (ws) or N filters (is) pass
======== =================================== ================================================

Folds do not overlap.  SCALE-Sim numbers cycles from 0 and reports the number of the last one, so
the last fold of a product is one cycle shorter here.  Each group is a product of its own, as
SCALE-Sim runs depthwise layers channel by channel.  ``fold_overhead = "stonne"`` is STONNE's
output-stationary mesh instead: K + used rows + used columns + 3 for each fold, exact on full
tiles (``reports/published/stonne_tpu_os.csv``), a few cycles off STONNE on ragged ones.

``fold_overhead = "preloaded"`` (ws, is): each PE has a second register for the stationary operand.
The next tile shifts in, one row per cycle, while this fold's words pass, and a PE changes over as
the first word of the next fold reaches it.  So streams follow one another without a gap and a fold
takes max(T, rows).  The first tile of a pass costs rows cycles, the last words need
rows + columns - 2 to pass the array.  Source: the second weight tile of the TPU's matrix unit,
there "to hide the 256 cycles it takes to shift a tile in" (Jouppi et al., ISCA 2017, section 2);
Gemmini's PE has the same pair of registers (Genc et al., DAC 2021).

Assumption: the stream of a fold may be cut into pieces, which cost no cycle; words leave a
scratchpad unskewed, the skewing registers belong to the array.

Rules: specification/systolic.md, SYS-1 to SYS-4.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from arch.systolic.gemm import Gemm
from arch.systolic.residency import Holding
from arch.systolic.spec import SystolicSpec

STONNE_FOLD_CYCLES = 3  # beyond taps, used rows and used columns


@dataclass(frozen=True, slots=True, eq=False)
class Need:
    """Bytes that pieces need of one scratchpad: int64 (outer, inner, pieces) both.

    A run of consecutive pieces needs ``works`` of its first and ``adds`` of each other one.
    """

    works: np.ndarray
    adds: np.ndarray

    @classmethod
    def of(cls, works: np.ndarray | int, adds: np.ndarray | int, shape: tuple[int, ...]) -> "Need":
        """Both spread over all pieces."""
        return cls(np.broadcast_to(works, shape), np.broadcast_to(adds, shape))


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """The folds of one group in SCALE-Sim's order; all groups are alike.

    ``lengths`` int64 (outer, inner folds, pieces of a fold); ``used`` PEs int64 (outer, inner);
    ``loads`` and ``stores`` are bytes per piece by tensor and ``needs`` by scratchpad, all of the
    shape of ``lengths``.  ``m``, ``n``, ``k`` bound the tiles of each axis.  All groups together
    take ``lead`` cycles before and ``tail`` after their pieces; in the lead, the tensor and the
    bytes of ``first`` come in, which the last piece then no longer fetches.
    """

    gemm: Gemm
    m: np.ndarray
    n: np.ndarray
    k: np.ndarray
    used: np.ndarray
    lengths: np.ndarray
    loads: Mapping[str, np.ndarray]
    stores: Mapping[str, np.ndarray]
    needs: Mapping[str, Need]
    input_holding: Holding
    weights_held: bool
    psums_held: bool
    lead: int = 0
    tail: int = 0
    first: tuple[str, int] | None = None


def sizes(bounds: np.ndarray) -> np.ndarray:
    """Sizes of the tiles between neighbouring bounds."""
    return np.diff(bounds)


def grid(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Products of all pairs, (outer, inner)."""
    product: np.ndarray = outer[:, None] * inner[None, :]
    return product


def fresh_channels(gemm: Gemm, k: np.ndarray) -> np.ndarray:
    """Channels of each tap tile that the tile before it did not have."""
    first, last = gemm.channels(k)
    fresh: np.ndarray = last - np.maximum(first, np.append(0, last[:-1]))
    return fresh


def result_need(
    loads: np.ndarray | int, stores: np.ndarray, room: int, shape: tuple[int, ...]
) -> Need:
    """Room in the ofmap scratchpad: that of the piece at work, and results not yet stored.

    Psums that a piece reads back lie where its own results will.
    """
    kept = np.maximum(loads, stores).ravel()
    return Need.of(room, np.append(0, kept[:-1]).reshape(shape), shape)


def half(spec: SystolicSpec, scratchpad: str) -> int:
    """Bytes that one half of a scratchpad holds."""
    held: int = getattr(spec, f"{scratchpad}_bytes") // 2
    return held


def fits(spec: SystolicSpec, **need: int) -> bool:
    """Whether so many bytes fit half of each scratchpad."""
    return all(size <= half(spec, scratchpad) for scratchpad, size in need.items())
