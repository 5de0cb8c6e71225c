"""step_trace: a timeline for every machine, made from the steps of a layer's run."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from arch.errors import InvariantError
from arch.machine import LayerRun
from arch.memory import Timeline
from arch.spec import MachineSpec
from arch.steps import Steps, bursts
from arch.trace import Batch, Label, LayerTrace, Part, Spans, Track, dram_spans

STEPS, PHASES, DRAM = (Track("layer", name) for name in ("steps", "phases", "DRAM"))
STEP = (Label("step", "step"),)
PHASE = (Label("compute", "compute"), Label("waits for DRAM", "dram"))


@dataclass(frozen=True, slots=True, eq=False)
class StepTrace:
    """The steps of one layer, when each runs, and the requests that they make."""

    steps: Steps
    spec: MachineSpec
    timeline: Timeline

    def batches(self) -> Iterator[Batch]:
        """All of the timeline."""
        yield self.work()
        yield from self.waits()

    def work(self) -> Spans:
        """The steps that take time, with their bytes."""
        start, stop = self.timeline.starts, self.timeline.ends
        there = np.flatnonzero(stop > start)
        numbers = {"step": there}
        for way, side in (("load", self.steps.loads), ("store", self.steps.stores)):
            numbers |= {f"{way} {name}, bytes": part[there] for name, part in side.items()}
        label = np.zeros(there.size, np.int64)
        return Spans(STEPS, STEP, label, start[there], stop[there], numbers)

    def waits(self) -> Iterator[Spans]:
        """Alternating computing and waiting, and every DRAM request."""
        start, stop = self.timeline.starts, self.timeline.ends
        edges = np.append(np.stack([np.append(0, stop[:-1]), start], axis=1).ravel(), stop[-1])
        edges = np.append(edges, self.timeline.cycles)
        label = np.append(np.tile([1, 0], start.size), 1)
        there = edges[1:] > edges[:-1]
        yield Spans(PHASES, PHASE, label[there], edges[:-1][there], edges[1:][there])
        latency = self.spec.dram_latency_cycles
        yield from dram_spans(DRAM, self.timeline, latency, self._bytes)

    def _bytes(self, n: int, store: bool) -> Mapping[str, int]:
        tensors = self.steps.stores if store else self.steps.loads
        return {name: int(bursts(part[n : n + 1], self.spec)[0]) for name, part in tensors.items()}


def steps_of(run: LayerRun) -> StepTrace:
    """The steps of a run, and when each was worked on.

    Raises
    ------
    InvariantError
        If the run does not tell its steps.
    """
    result = run.result
    if run.steps is None:
        raise InvariantError(f"{result.layer.name}: {result.machine} told no steps")
    return StepTrace(run.steps, result.spec, run.steps.timeline(result.spec))


def layer_trace(
    run: LayerRun, found: StepTrace, batches: Callable[[], Iterable[Batch]]
) -> LayerTrace:
    """A timeline with the tracks of steps, phases and DRAM, in one part."""
    part = Part(0, found.timeline.cycles, batches)
    return LayerTrace(run.result, (STEPS, PHASES, DRAM), (part,))


def step_trace(run: LayerRun) -> LayerTrace:
    """The timeline of a run; raises what ``steps_of`` raises."""
    found = steps_of(run)
    return layer_trace(run, found, found.batches)
