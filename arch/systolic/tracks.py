"""A layer's steps and DRAM requests as tracks; the array itself is dense and never varies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from arch.machine import ALONE, LayerRun, Neighbours
from arch.memory import Timeline
from arch.spec import MachineSpec
from arch.steps import Steps, bursts
from arch.systolic.model import MACHINE
from arch.systolic.passes import Pass
from arch.systolic.plan import Plan, plan
from arch.systolic.spec import SystolicSpec
from arch.trace import Batch, Label, LayerTrace, Part, Spans, Track, dram_spans
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

STEPS, PHASES, DRAM = (Track("layer", name) for name in ("steps", "phases", "DRAM"))
FOLD = (Label("fold", "step"), Label("first tile", "step"))
PHASE = (Label("compute", "compute"), Label("waits for DRAM", "dram"))


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """Everything that the trace is worked out from."""

    plan: Plan
    steps: Steps
    spec: SystolicSpec
    timeline: Timeline

    def batches(self) -> Iterator[Batch]:
        """All of it."""
        first_step = first_image = 0
        for one, times in self.plan.passes:
            count = one.steps().lengths.size
            for _ in range(times):
                yield from self._folds(one, first_step, first_image)
                first_step += count
                first_image += one.images
        start, stop = self.timeline.starts, self.timeline.ends
        edges = np.append(np.stack([np.append(0, stop[:-1]), start], axis=1).ravel(), stop[-1])
        edges = np.append(edges, self.timeline.cycles)
        label = np.append(np.tile([1, 0], start.size), 1)
        there = edges[1:] > edges[:-1]
        yield Spans(PHASES, PHASE, label[there], edges[:-1][there], edges[1:][there])
        latency = self.spec.dram_latency_cycles
        yield from dram_spans(DRAM, self.timeline, latency, self._bytes)

    def _folds(self, one: Pass, first_step: int, first_image: int) -> Iterator[Spans]:
        """The folds of one pass, in pieces where they are cut."""
        step, offset, lengths = one.places()
        shape = one.folds.lengths.shape
        outer, inner, piece = np.unravel_index(np.arange(step.size) % np.prod(shape), shape)
        if one.folds.lead:
            at = int(self.timeline.starts[first_step])
            zero = np.zeros(1, np.int64)
            numbers = {"step": zero + first_step, "first image": zero + first_image}
            yield Spans(STEPS, FOLD, zero + 1, zero + at, zero + at + one.folds.lead, numbers)
        start = self.timeline.starts[step + first_step] + offset
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

    def _bytes(self, n: int, store: bool) -> Mapping[str, int]:
        tensors = self.steps.stores if store else self.steps.loads
        return {name: int(bursts(part[n : n + 1], self.spec)[0]) for name, part in tensors.items()}


def _traced(run: LayerRun, spec: SystolicSpec) -> LayerTrace:
    planned = plan(run.result.layer, spec, run.result.images)
    steps = planned.steps()
    timeline = steps.timeline(spec)
    layer = _Layer(planned, steps, spec, timeline)
    part = Part(0, timeline.cycles, layer.batches)
    return LayerTrace(run.result, (STEPS, PHASES, DRAM), (part,))


def trace(tensors: LayerTensors, spec: MachineSpec, around: Neighbours = ALONE) -> LayerTrace:
    """Simulate one layer on tensors and trace it."""
    assert isinstance(spec, SystolicSpec)
    return _traced(MACHINE.run(tensors, spec, around), spec)


def trace_shape(layer: ConvLayer, spec: MachineSpec, images: int = 1) -> LayerTrace:
    """Simulate one layer known by shape only and trace it.

    Examples
    --------
    >>> fc = ConvLayer("fc", C=64, K=40, H=1, W=1)
    >>> found = trace_shape(fc, SystolicSpec())
    >>> [(b.track.name, len(b)) for b in found.batches(0, 10**9)][:2]
    [('steps', 2), ('phases', 4)]
    """
    assert isinstance(spec, SystolicSpec)
    return _traced(MACHINE.run_shape(layer, spec, images), spec)
