"""A layer's steps and DRAM requests as tracks; the array itself is dense and never varies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from arch.machine import ALONE, LayerRun, Neighbours
from arch.memory import Timeline
from arch.spec import MachineSpec
from arch.steps import bursts
from arch.systolic.model import MACHINE, dram_steps
from arch.systolic.plan import Plan, plan
from arch.systolic.spec import SystolicSpec
from arch.trace import Batch, Label, LayerTrace, Part, Spans, Track, dram_spans
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

STEPS, PHASES, DRAM = (Track("layer", name) for name in ("steps", "phases", "DRAM"))
FOLD = (Label("fold", "step"),)
PHASE = (Label("compute", "compute"), Label("waits for DRAM", "dram"))


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """Everything that the trace is worked out from."""

    plan: Plan
    spec: SystolicSpec
    timeline: Timeline

    def batches(self) -> Iterator[Batch]:
        """All of it."""
        start, stop = self.timeline.starts, self.timeline.ends
        outer, inner, step = np.unravel_index(
            np.arange(start.size) % self.plan.lengths.size, self.plan.lengths.shape
        )
        numbers = {
            "group": np.arange(start.size) // self.plan.lengths.size,
            "outer": outer,
            "inner": inner,
            "step of the fold": step,
            "PEs": self.plan.used[outer, inner],
        }
        zero = np.zeros(start.size, np.int64)
        yield Spans(STEPS, FOLD, zero, start, stop, numbers)
        edges = np.append(np.stack([np.append(0, stop[:-1]), start], axis=1).ravel(), stop[-1])
        edges = np.append(edges, self.timeline.cycles)
        label = np.append(np.tile([1, 0], start.size), 1)
        there = edges[1:] > edges[:-1]
        yield Spans(PHASES, PHASE, label[there], edges[:-1][there], edges[1:][there])
        latency = self.spec.dram_latency_cycles
        yield from dram_spans(DRAM, self.timeline, latency, self._bytes)

    def _bytes(self, n: int, store: bool) -> Mapping[str, int]:
        tensors = self.plan.stores if store else self.plan.loads
        at = n % self.plan.lengths.size
        return {
            name: int(bursts(part.ravel()[at : at + 1], self.spec)[0])
            for name, part in tensors.items()
        }


def _traced(run: LayerRun, spec: SystolicSpec) -> LayerTrace:
    steps = plan(run.result.layer, spec, run.result.images)
    in_order = dram_steps(steps)
    timeline = in_order.timeline(spec)
    layer = _Layer(steps, spec, timeline)
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
