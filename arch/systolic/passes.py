"""A pass: some images through all folds of a layer, its pieces put together to DRAM steps.

A step is what one request of the DRAM fetches ahead while the step before computes.  It is a run
of neighbours at one level of the loops, with everything inside them:

====== ==========================================================================================
piece  one piece of a fold, where a fold does not fit or its data had better come bit by bit
fold   neighbouring folds of one row of folds (those that share an outer tile)
row    neighbouring whole rows of folds
group  neighbouring whole groups of the layer
====== ==========================================================================================

A step fits if what it works on fits half of each scratchpad; the other halves take the next one's
operands and give the last one's results away.  So the latency of the DRAM is paid once per step
and hidden wherever a step computes for longer than the next one's request takes.

Assumption: a tensor's bytes of one step are one run; a step that waits for DRAM freezes the whole
array.

Rule: specification/systolic.md, SYS-5.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from arch.cuts import cut
from arch.steps import Steps
from arch.systolic.folds import Folds, half
from arch.systolic.spec import SystolicSpec

MOST_PIECES = 1 << 16  # of a layer; beyond, few sizes are tried, and pieces no finer than must be
Level = Literal["piece", "fold", "row", "group"]


def ladder(most: int, *, octaves: bool = False) -> Iterator[int]:
    """Sizes that are tried up to ``most``: all up to 8, then eight an octave, or one an octave.

    Examples
    --------
    >>> list(ladder(25))
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 25]
    """
    size = 1
    while size < most:
        yield size
        size += size if octaves else max(1, 1 << max(0, size.bit_length() - 4))
    yield most


def finer(total: int) -> Iterator[int]:
    """Sizes of pieces that are tried, falling: even parts up to an eighth, and the ladder's.

    Examples
    --------
    >>> list(finer(30))
    [28, 26, 24, 22, 20, 18, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    """
    even = {-(-total // parts) for parts in range(2, 9)}
    yield from sorted((even | set(ladder(total))) - {total}, reverse=True)


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """``folds`` in steps of ``size`` neighbours at ``level``.

    ``starts`` is the first piece of each step of one group, int64 (steps of a group,).
    """

    folds: Folds
    level: Level
    size: int
    starts: np.ndarray

    @property
    def images(self) -> int:
        """Images that pass together."""
        return self.folds.gemm.images

    @property
    def cycles(self) -> int:
        """Cycles without any wait for DRAM."""
        groups = self.folds.gemm.layer.groups
        return groups * int(self.folds.lengths.sum()) + self.folds.lead + self.folds.tail

    def fit(self, spec: SystolicSpec) -> bool:
        """Whether every step fits half of each scratchpad."""
        groups = min(self.size, self.folds.gemm.layer.groups) if self.level == "group" else 1
        for scratchpad, need in self.folds.needs.items():
            adds = need.adds.ravel()
            together = np.add.reduceat(adds, self.starts) - adds[self.starts]
            most = int((need.works.ravel()[self.starts] + together).max())
            if groups * most > half(spec, scratchpad):
                return False
        return True

    def steps(self) -> Steps:
        """The steps of all groups, one after the other."""
        folds = self.folds
        lengths = self._spread(folds.lengths)
        loads = {name: self._spread(part) for name, part in folds.loads.items()}
        stores = {name: self._spread(part) for name, part in folds.stores.items()}
        if folds.first is None:
            return Steps(lengths, loads, stores)
        tensor, size = folds.first
        last_fold = folds.lengths.size - folds.lengths.shape[2]
        at = np.searchsorted(self.starts, last_fold, side="right") - 1 - self.starts.size
        lengths[-1] += folds.tail
        loads[tensor][at] -= size
        lead = {name: size if name == tensor else 0 for name in loads}
        return Steps(
            np.append(folds.lead, lengths),
            {name: np.append(lead[name], part) for name, part in loads.items()},
            {name: np.append(0, part) for name, part in stores.items()},
        )

    def _spread(self, part: np.ndarray) -> np.ndarray:
        """Sums by step, for all groups: int64 (steps,)."""
        groups = self.folds.gemm.layer.groups
        if self.level == "group":
            joined: np.ndarray = np.diff(cut(groups, self.size)) * int(part.sum())
            return joined
        return np.tile(np.add.reduceat(part.ravel(), self.starts), groups)

    def places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every piece of all groups: its step, its first cycle in it, its cycles; int64 each."""
        folds = self.folds
        groups, count = folds.gemm.layer.groups, folds.lengths.size
        group = np.repeat(np.arange(groups), count)
        if self.level == "group":
            step = group // self.size
        else:
            own = np.searchsorted(self.starts, np.arange(count), side="right") - 1
            step = np.tile(own, groups) + group * self.starts.size
        lengths = np.tile(folds.lengths.ravel(), groups)
        lengths[-1] += folds.tail
        before = np.cumsum(lengths) - lengths
        first = before[np.searchsorted(step, step)]
        return step + (folds.lead > 0), before - first, lengths


def pieces_alone(folds: Folds) -> Pass:
    """Each piece is a step."""
    return Pass(folds, "piece", 1, np.arange(folds.lengths.size, dtype=np.int64))


def joined(folds: Folds) -> Iterator[Pass]:
    """Uncut folds in steps of one fold and more."""
    rows, inner, _ = folds.lengths.shape
    many = rows * inner * folds.gemm.layer.groups > MOST_PIECES
    for size in ladder(inner, octaves=many):
        one = cut(inner, size)[:-1]
        starts = (np.arange(rows, dtype=np.int64)[:, None] * inner + one).ravel()
        yield Pass(folds, "fold", size, starts)
    for size in ladder(rows, octaves=many):
        if size > 1:
            yield Pass(folds, "row", size, cut(rows, size)[:-1] * inner)
    for size in ladder(folds.gemm.layer.groups, octaves=many):
        if size > 1:
            yield Pass(folds, "group", size, np.zeros(1, np.int64))


def all_steps(passes: Sequence[tuple[Pass, int]]) -> Steps:
    """The steps of passes, each so many times, one after the other."""
    parts = [part for one, times in passes for part in [one.steps()] * times]
    return Steps(
        np.concatenate([part.lengths for part in parts]),
        {name: np.concatenate([part.loads[name] for part in parts]) for name in parts[0].loads},
        {name: np.concatenate([part.stores[name] for part in parts]) for name in parts[0].stores},
    )
