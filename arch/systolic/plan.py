"""Layer + spec -> passes: what stays on chip, the DRAM steps, how many images pass together.

The folds of a pass, their order and their cycles are SCALE-Sim's (:mod:`arch.systolic.folds`).
Left to choose are what of the operands stays on chip, into which steps the folds are cut or
joined, and how many images form one product.  The plan takes the fewest cycles with all waits for
DRAM, then the fewest bytes on the DRAM bus.  A batch passes all together, in halves, quarters …
or one by one; of these only what fetches no more bytes per image than one image alone is taken.
So a batch never costs more per image than one image.

A plan may leave a part of a scratchpad unused: which sizes are tried depends on the layer and on
the array alone, so what fits a small scratchpad is tried with a larger one too, and more of a
scratchpad never costs a cycle.

Rule: specification/systolic.md, SYS-8.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from arch.errors import OperandError
from arch.spec import MachineSpec
from arch.steps import Steps
from arch.systolic import output_stationary, stationary
from arch.systolic.folds import Folds, half
from arch.systolic.gemm import Gemm
from arch.systolic.passes import MOST_PIECES, Pass, all_steps, joined, pieces_alone
from arch.systolic.residency import Holding
from arch.systolic.spec import SystolicSpec
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Passes in order, each so many times."""

    passes: tuple[tuple[Pass, int], ...]

    @property
    def first(self) -> Pass:
        """The pass that most images take."""
        return self.passes[0][0]

    @property
    def gemm(self) -> Gemm:
        """One product of the first pass."""
        return self.first.folds.gemm

    @property
    def folds(self) -> int:
        """Folds of all groups and passes."""
        return sum(
            one.folds.used.size * one.folds.gemm.layer.groups * times for one, times in self.passes
        )

    @property
    def cycles(self) -> int:
        """Cycles without any wait for DRAM."""
        return sum(one.cycles * times for one, times in self.passes)

    def steps(self) -> Steps:
        """All DRAM steps in order; one run per operand and step."""
        return all_steps(self.passes)


def plan(layer: ConvLayer, spec: SystolicSpec, images: int = 1) -> Plan:
    """The plan with the fewest cycles, then DRAM bytes.

    Raises
    ------
    OperandError
        If the least a step can work on exceeds half a scratchpad; names layer, scratchpad, bytes.

    Examples
    --------
    >>> layer = ConvLayer("fc", C=64, K=40, H=1, W=1)
    >>> found = plan(layer, SystolicSpec())
    >>> found.folds, found.cycles, int(found.steps().loads["weight"].sum())
    (2, 251, 2560)
    """
    _refuse_too_small(Gemm(layer, 1), spec)
    return _planned(replace(layer, name=""), spec, images)


@lru_cache(maxsize=32)  # networks repeat their layers
def _planned(layer: ConvLayer, spec: SystolicSpec, images: int) -> Plan:
    alone = _best_pass(Gemm(layer, 1), spec)
    assert alone is not None, "what passed the refusal has a plan"
    if images == 1:
        return Plan(((alone, 1),))
    most_bytes = images * _bus_bytes(alone.steps(), spec)
    best, best_cost = None, None
    for together in _parts(images):
        found = _batch(layer, spec, images, together, alone)
        if found is None:
            continue
        steps = found.steps()
        size = _bus_bytes(steps, spec)
        if size > most_bytes:
            continue
        cost = (steps.finish(spec), size)
        if best_cost is None or cost < best_cost:
            best, best_cost = found, cost
    assert best is not None, "images one by one are a plan"
    return best


def _parts(images: int) -> Iterator[int]:
    """Images that pass together: all, half of them, a quarter … one."""
    while images > 1:
        yield images
        images = -(-images // 2)
    yield 1


def _batch(
    layer: ConvLayer, spec: SystolicSpec, images: int, together: int, alone: Pass
) -> Plan | None:
    """Passes of ``together`` images and one of the rest; None where one does not fit."""
    passes = []
    for count, times in ((together, images // together), (images % together, 1)):
        if count:
            found = alone if count == 1 else _best_pass(Gemm(layer, count), spec)
            if found is None:
                return None
            passes.append((found, times))
    return Plan(tuple(passes))


def _refuse_too_small(gemm: Gemm, spec: SystolicSpec) -> None:
    builder = output_stationary if spec.dataflow == "os" else stationary
    for buffer, need in builder.least(gemm, spec).items():
        if need > half(spec, buffer):
            raise OperandError(
                f"{gemm.layer.name}: one step needs {need} B of the {buffer} scratchpad, "
                f"half of it holds {half(spec, buffer)} B"
            )


def _bus_bytes(steps: Steps, spec: MachineSpec) -> int:
    return sum(steps.dram(spec).values())


@dataclass(slots=True)
class _Search:
    """The best pass so far."""

    spec: SystolicSpec
    best: Pass | None = None
    cycles: int = 0
    size: int = 0

    def consider(self, one: Pass) -> bool:
        """Take a pass if it is better; whether the DRAM alone keeps it from being so."""
        if self.best is not None and self._alone(one) > self.cycles:
            return False
        if not one.fit(self.spec):
            return False
        steps = one.steps()
        size = _bus_bytes(steps, self.spec)
        if self.best is not None and self._busy(steps, size) > self.cycles:
            return True
        cycles = steps.finish(self.spec)
        if self.best is None or (cycles, size) < (self.cycles, self.size):
            self.best, self.cycles, self.size = one, cycles, size
        return False

    def _alone(self, one: Pass) -> int:
        """Cycles of the array, and before and after them of the first load and the last store."""
        folds, spec = one.folds, self.spec
        whole = one.level == "group"
        ends = [folds.lengths.size if whole else int(start) for start in one.starts[1:2]]
        first = slice(0, ends[0] if ends else folds.lengths.size)
        last = slice(int(one.starts[-1]), None)
        loaded = sum(int(part.ravel()[first].sum()) for part in folds.loads.values())
        stored = sum(int(part.ravel()[last].sum()) for part in folds.stores.values())
        if folds.first is not None:
            loaded = folds.first[1]
        transfer = (loaded + stored) * spec.clock_hz // spec.dram_bandwidth_bytes_per_s
        return one.cycles + 2 * spec.dram_latency_cycles + transfer - 1

    def _busy(self, steps: Steps, size: int) -> int:
        """Cycles that the DRAM is busy at least."""
        spec = self.spec
        traffic = steps.traffic(spec)
        requests = int(np.count_nonzero(traffic.loads) + np.count_nonzero(traffic.stores))
        transfer = size * spec.clock_hz // spec.dram_bandwidth_bytes_per_s
        return requests * spec.dram_latency_cycles + transfer


def _best_pass(gemm: Gemm, spec: SystolicSpec) -> Pass | None:
    """The best pass over all images of ``gemm``, None where a fold does not fit."""
    search = _Search(spec)
    builder = output_stationary if spec.dataflow == "os" else stationary
    for holdings, held in builder.choices(gemm, spec):
        for holding in holdings:
            uncut = builder.folds(gemm, spec, holding, held, builder.whole(gemm, spec))
            if uncut is not None:
                for one in joined(uncut):
                    search.consider(one)
            if _cut_finer(gemm, search, holding, held) or uncut is not None:
                break
    return search.best


def _cut_finer(gemm: Gemm, search: _Search, holding: Holding, held: bool) -> bool:
    """Try folds in more and more pieces, as long as that can help; whether any fits."""
    spec, some = search.spec, False
    builder = output_stationary if spec.dataflow == "os" else stationary
    for piece in builder.parts(gemm, spec):
        folds: Folds | None = builder.folds(gemm, spec, holding, held, piece)
        if folds is None:
            continue
        some = True
        if search.consider(pieces_alone(folds)):
            break
        if folds.lengths.size * gemm.layer.groups > MOST_PIECES:
            break
    return some
