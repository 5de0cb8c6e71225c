"""A layer's timeline as tracks: steps, DRAM, broadcast, and every block's units and buffers.

The states of a block fill all its cycles; their kinds are the causes of the counters.  Buffers
are counted in whole pixels: a V is in its FIFO from the end of its CA cycles to the start of its
MAC cycles, a vector in a block's buffer from its arrival until the last slice has summed it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from arch.basis_first import recurrence as field
from arch.basis_first.model import finish, time_steps
from arch.basis_first.modes import Pass
from arch.basis_first.prepare import Prepared, prepare
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.step_inputs import StepInputs
from arch.basis_first.timeline import StepRecord, record
from arch.machine import ALONE, Kept, Neighbours
from arch.memory import Timeline, schedule
from arch.pairs import effectual_ops
from arch.trace import (
    Batch,
    Counts,
    Label,
    LayerTrace,
    Part,
    Spans,
    Track,
    changes,
    dram_spans,
    runs,
    single,
)
from workloads.tensors import LayerTensors

STATES = (
    Label("MAC", "mac"),
    Label("waits for CA", "ca"),
    Label("waits for broadcast", "broadcast"),
    Label("waits for slowest block", "slowest"),
    Label("drain", "idle"),
    Label("pipeline", "idle"),
    Label("unassigned", "idle"),
    Label("waits for DRAM", "dram"),
)
MAC, CA, BROADCAST, SLOWEST, DRAIN, PIPELINE, UNASSIGNED, DRAM = range(8)
STEPS, PHASES, DRAM_TRACK, BROADCASTS = (
    Track("layer", name) for name in ("steps", "phases", "DRAM", "broadcast")
)
COMPUTE = Label("compute", "compute")
SUM = (Label("CA", "ca_cycles"),)
VECTOR = (Label("vector", "broadcast"),)


def _state(block: int) -> Track:
    return Track("PE blocks", f"block {block}")


def _unit(block: int, piece: int) -> Track:
    return Track(f"block {block}", f"CA unit of slice {piece}")


def _fifo(block: int) -> Track:
    return Track(f"block {block}", f"FIFOs of block {block}", counter=True)


def _buffer(block: int) -> Track:
    return Track(f"block {block}", f"vector buffer of block {block}", counter=True)


def _tracks(spec: BasisFirstSpec, prepared: Prepared) -> tuple[Track, ...]:
    """All tracks, blocks and slices that never work left out (save the blocks' states)."""
    passes = [part for k_tile in prepared.tiles for part in k_tile.passes]
    slices = max(part.slices for part in passes)
    tracks = [STEPS, PHASES, DRAM_TRACK, BROADCASTS]
    tracks += [_state(block) for block in range(spec.pe_blocks)]
    for block in range(max(part.blocks for part in passes)):
        tracks += [_unit(block, piece) for piece in range(slices)]
        tracks += [_fifo(block), _buffer(block)]
    return tuple(tracks)


def _block_states(
    record: StepRecord, bounds: tuple[np.ndarray, np.ndarray], block: int, begin: int
) -> Spans:
    """MAC cycles and waits of one block until its last MAC cycle; ``bounds`` as ``waits``."""
    before, arrived = (bound[block] for bound in bounds)
    start, stop = record.mac_start[block], record.mac_end[block]
    early = np.where(record.held, SLOWEST, BROADCAST)
    label = np.stack([early, np.full(early.size, CA), np.full(early.size, MAC)], axis=1).ravel()
    starts = np.stack([before, arrived, start], axis=1).ravel()
    stops = np.stack([arrived, start, stop], axis=1).ravel()
    first, last = runs(label, starts, stops)
    numbers = {"pixel": first // 3, "to": last // 3}
    track = _state(block)
    return Spans(track, STATES, label[first], begin + starts[first], begin + stops[last], numbers)


def _ca_unit(record: StepRecord, block: int, piece: int, begin: int) -> Spans:
    """Busy cycles of one CA unit."""
    start, stop = record.ca_start[block, piece], record.ca_end[block, piece]
    label = np.zeros(start.size, np.int64)
    first, last = runs(label, start, stop)
    numbers = {"pixel": first, "to": last}
    track = _unit(block, piece)
    return Spans(track, SUM, label[first], begin + start[first], begin + stop[last], numbers)


def _fifos(record: StepRecord, block: int, pieces: np.ndarray, begin: int) -> Counts:
    """V entries in the fullest and in the emptiest FIFO of a block's assigned slices."""
    pushed, popped = record.ca_end[block, pieces], record.mac_start[block]
    at = np.unique(np.append(pushed.ravel(), popped))
    entries = np.stack([np.searchsorted(each, at, "right") for each in pushed])
    entries -= np.searchsorted(popped, at, "right")
    values = {"fullest": entries.max(axis=0), "emptiest": entries.min(axis=0)}
    return changes(_fifo(block), begin + at, values)


def _vectors(record: StepRecord, consumed: np.ndarray, block: int, begin: int) -> Counts:
    """Pixels that wait in a block's vector buffer."""
    at = np.unique(np.append(record.arrive, consumed))
    waiting = np.searchsorted(record.arrive, at, "right") - np.searchsorted(consumed, at, "right")
    return changes(_buffer(block), begin + at, {"pixels": waiting})


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """Everything that a part of the trace is worked out from."""

    prepared: Prepared
    inputs: StepInputs
    timeline: Timeline

    def step(self, n: int) -> Iterator[Batch]:
        """One step with the wait before it."""
        begin, end = int(self.timeline.starts[n]), int(self.timeline.ends[n])
        before = int(self.timeline.ends[n - 1]) if n else 0
        drain, pipeline = int(self.prepared.drains[n]), self.prepared.spec.pipeline_cycles
        times = record(self.inputs, n)
        computed = begin + times.compute
        assert computed + drain + pipeline == end
        phases = (
            (STATES[DRAM], before, begin),
            (COMPUTE, begin, computed),
            (STATES[DRAIN], computed, computed + drain),
            (STATES[PIPELINE], computed + drain, end),
        )
        there = [phase for phase in phases if phase[1] < phase[2]]
        if begin < end:
            yield self._step_span(n, begin, end)
        for phase in there:
            yield single(PHASES, *phase)
        yield from self._broadcast(times, begin)
        for block in range(self.prepared.spec.pe_blocks):
            for label, start, stop in there:
                if label != COMPUTE:
                    yield single(_state(block), label, start, stop)
                elif block >= times.blocks:
                    yield single(_state(block), STATES[UNASSIGNED], start, stop)
        yield from self._blocks(n, times, begin)

    def _blocks(self, n: int, times: StepRecord, begin: int) -> Iterator[Batch]:
        """What the blocks in use do while the step computes."""
        part, bounds, consumed = self._pass(n), times.waits, times.consumed
        compute = times.compute
        for block in range(times.blocks):
            yield _block_states(times, bounds, block, begin)
            done = int(times.mac_end[block].max(initial=0))
            if done < compute:
                yield single(_state(block), STATES[SLOWEST], begin + done, begin + compute)
            pieces = np.flatnonzero(part.channel[:, block] >= 0)
            for piece in pieces:
                yield _ca_unit(times, block, int(piece), begin)
            yield _fifos(times, block, pieces, begin)
            yield _vectors(times, consumed[block], block, begin)

    def _pass(self, n: int) -> Pass:
        step = self.prepared.steps.steps[n]
        return self.prepared.tiles[step.k_tile].passes[step.pass_]

    def _step_span(self, n: int, begin: int, end: int) -> Spans:
        step = self.prepared.steps.steps[n]
        k_tile, (p0, p1, q0, q1) = self.prepared.tiles[step.k_tile], step.tile.box
        numbers = {"k-tile": step.k_tile, "pass": step.pass_, "image": step.image}
        numbers |= {"first channel": k_tile.start, "channels": k_tile.stop - k_tile.start}
        numbers |= {"first row": p0, "rows": p1 - p0, "first column": q0, "columns": q1 - q0}
        numbers |= {"rows completed": step.completed[1] - step.completed[0]}
        numbers |= {"pixels": step.broadcast_pixels}
        return single(STEPS, Label(f"step {n}", "step"), begin, end, **numbers)

    def _broadcast(self, times: StepRecord, begin: int) -> Iterator[Spans]:
        """The vectors on their way to the blocks."""
        layer = self.prepared.tensors.layer
        stop = begin + times.arrive
        y, x = times.pixel // layer.W % layer.H, times.pixel % layer.W
        numbers = {"pixel": np.arange(stop.size), "y": y, "x": x}
        label = np.zeros(stop.size, np.int64)
        yield Spans(BROADCASTS, VECTOR, label, stop - times.transfer, stop, numbers)

    def rest(self) -> Iterator[Batch]:
        """The requests, and the wait for the last store."""
        spec, last = self.prepared.spec, int(self.timeline.ends[-1])
        yield from dram_spans(DRAM_TRACK, self.timeline, spec.dram_latency_cycles, self._bytes)
        if last < self.timeline.cycles:
            for track in (PHASES, *(_state(block) for block in range(spec.pe_blocks))):
                yield single(track, STATES[DRAM], last, self.timeline.cycles)

    def _bytes(self, n: int, store: bool) -> Mapping[str, int]:
        asked = self.prepared.steps.bytes
        names = ("output",) if store else ("coefficient", "basis", "input")
        return {name: int(getattr(asked, name)[n]) for name in names}


def trace(tensors: LayerTensors, spec: BasisFirstSpec, around: Neighbours = ALONE) -> LayerTrace:
    """Simulate one layer and keep what its trace is worked out from.

    Parameters and errors as for :func:`arch.basis_first.model.simulate`.

    Examples
    --------
    >>> from workloads.layer import ConvLayer
    >>> one = np.ones((1, 1, 1, 1), np.uint8)
    >>> tensors = LayerTensors(ConvLayer("one", 1, 1, 1, 1), one, weights=one.astype(np.int8))
    >>> found = trace(tensors, BasisFirstSpec(pe_blocks=1, dram_latency_ns=0))
    >>> [int(b.stop[-1] - b.start[0]) for b in found.batches(0, 99) if b.track.name == "steps"]
    [12]
    """
    prepared = prepare(tensors, spec, around)
    inputs = prepared.inputs
    times = time_steps(inputs)
    run = finish(prepared, times, spec, tensors.digest(), effectual_ops(tensors, Kept()))
    timeline = schedule(prepared.traffic(times[:, field.COMPUTE]), spec)
    layer = _Layer(prepared, inputs, timeline)
    ends = [0, *timeline.ends.tolist()]
    parts = [Part(*span, partial(layer.step, n)) for n, span in enumerate(pairwise(ends))]
    parts.append(Part(0, timeline.cycles, layer.rest))
    return LayerTrace(run.result, _tracks(spec, prepared), tuple(parts))
