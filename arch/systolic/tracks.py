"""A layer's steps and DRAM requests as tracks; the array itself is dense and never varies."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arch.machine import LayerRun
from arch.step_trace import STEPS, StepTrace, layer_trace, steps_of
from arch.systolic.passes import Pass
from arch.systolic.plan import Plan, plan
from arch.systolic.spec import SystolicSpec
from arch.trace import Batch, Label, LayerTrace, Spans

FOLD = (Label("fold", "step"), Label("first tile", "step"))


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """Everything that the trace is worked out from."""

    plan: Plan
    found: StepTrace

    def batches(self) -> Iterator[Batch]:
        """All of it."""
        first_step = first_image = 0
        for one, times in self.plan.passes:
            count = one.steps().lengths.size
            for _ in range(times):
                yield from self._folds(one, first_step, first_image)
                first_step += count
                first_image += one.images
        yield from self.found.waits()

    def _folds(self, one: Pass, first_step: int, first_image: int) -> Iterator[Spans]:
        """The folds of one pass, in pieces where they are cut."""
        step, offset, lengths = one.places()
        shape = one.folds.lengths.shape
        outer, inner, piece = np.unravel_index(np.arange(step.size) % np.prod(shape), shape)
        if one.folds.lead:
            at = int(self.found.timeline.starts[first_step])
            zero = np.zeros(1, np.int64)
            numbers = {"step": zero + first_step, "first image": zero + first_image}
            yield Spans(STEPS, FOLD, zero + 1, zero + at, zero + at + one.folds.lead, numbers)
        start = self.found.timeline.starts[step + first_step] + offset
        numbers = {
            "step": step + first_step,
            "first image": np.full(step.size, first_image),
            "group": np.arange(step.size) // np.prod(shape),
            "outer": outer,
            "inner": inner,
            "piece of the fold": piece,
            "PEs": one.folds.used[outer, inner],
        }
        yield Spans(STEPS, FOLD, np.zeros(step.size, np.int64), start, start + lengths, numbers)


def folds(run: LayerRun, spec: SystolicSpec) -> LayerTrace:
    """The timeline of a run, its steps shown fold by fold."""
    found = steps_of(run)
    planned = plan(run.result.layer, spec, run.result.images)
    return layer_trace(run, found, _Layer(planned, found).batches)
