"""The plan that is taken: the fewest cycles, waits for DRAM included, then the fewest DRAM bytes.

All candidates of ``plan`` that fit the memories are bounded from below by ``bounds``; those that
may be the best are worked out exactly, the most promising first, until none is left that could
undercut the best.  Of plans alike the first is taken.

Assumption: the search ends before that where it has worked out ``LOOKS`` plans and ``ENOUGH``
cycles of all PEs: bank conflicts, which no bound knows, are what the rest differ in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from arch.scnn.bounds import (
    EXACT,
    Candidate,
    Feed,
    Fused,
    Weights,
    by_filter,
    candidate,
    ground,
    transfer,
    weights,
)
from arch.scnn.counts import Part, joined, part, queued
from arch.scnn.plan import Grid, Grouping, grids, groupings, one_group
from arch.scnn.residency import held_bytes, output_entries, stored_bytes, strip_input
from arch.scnn.spec import ScnnSpec
from arch.scnn.tiles import Strip
from arch.scnn.timing import Times, times
from arch.steps import Steps
from workloads.layer import ConvLayer

ENOUGH = 1 << 21
HOPELESS = 2  # times the cycles that a plan may take: grids that read so long are bounded last
LOOKS = 3  # of the most promising plans, whatever their size
CONFLICTS = 1.75  # cycles of a block of half-empty operands, about; only orders the search

NOTHING = Fused()
Numbered = list[tuple[tuple[int, int], Candidate]]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One image, or the channels of one layer group of it, step by step.

    Parameters
    ----------
    strips : of the plane
    strip : int64 (steps,), which one
    grouping : groups of filters, of the first plan where there are several
    part, taken : Part, and Times
    inputs, weights, outputs : int64 (steps,), stored bytes from and to DRAM
    leaves : int64 (steps,), bytes of each step's outputs, stored or not
    breaks : bool (steps,), whether a step's data is not loaded before the step before has ended
    whole : int64 (tiles,), IARAM bytes of the input, None where strips follow each other
    stays : int64 (PEs,), entries of the output, None likewise
    streamed : whether some input is read again
    half : whether the first and last unit leave half of the IARAM to a neighbour
    """

    strips: list[Strip]
    strip: np.ndarray
    grouping: Grouping
    part: Part
    taken: Times
    inputs: np.ndarray
    weights: np.ndarray
    outputs: np.ndarray
    leaves: np.ndarray
    breaks: np.ndarray
    whole: np.ndarray | None
    stays: np.ndarray | None
    streamed: bool
    half: bool

    def steps(self) -> Steps:
        """The steps, with an empty one before each that waits for all that went before."""
        gaps = np.flatnonzero(self.breaks)
        inputs, read, output, lengths = (
            np.insert(values, gaps, 0)
            for values in (self.inputs, self.weights, self.outputs, self.taken.lengths)
        )
        return Steps(lengths, {"input": inputs, "weight": read}, {"output": output})


def cost(plan: Plan, spec: ScnnSpec) -> tuple[int, int]:
    """Cycles, and DRAM bytes."""
    steps = plan.steps()
    return steps.finish(spec), sum(steps.dram(spec).values())


def one_by_one(plans: Sequence[Plan], seams: Sequence[bool]) -> Plan:
    """Plans one after the other; ``seams`` tell where the next one waits for the one before."""
    breaks = [plan.breaks.copy() for plan in plans]
    for at, seam in enumerate(seams):
        breaks[at + 1][0] = seam
    first = np.cumsum([0, *(len(plan.strips) for plan in plans)])

    def all_of(name: str) -> np.ndarray:
        return np.concatenate([getattr(plan, name) for plan in plans])

    return Plan(
        strips=[strip for plan in plans for strip in plan.strips],
        grouping=plans[0].grouping,
        strip=np.concatenate([plan.strip + at for plan, at in zip(plans, first, strict=False)]),
        part=joined([plan.part for plan in plans]),
        taken=Times(
            np.concatenate([plan.taken.compute for plan in plans]),
            np.concatenate([plan.taken.halo for plan in plans]),
        ),
        inputs=all_of("inputs"),
        weights=all_of("weights"),
        outputs=all_of("outputs"),
        leaves=all_of("leaves"),
        breaks=np.concatenate(breaks),
        whole=None,
        stays=None,
        streamed=any(plan.streamed for plan in plans),
        half=plans[0].half and plans[-1].half,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """One image, and what has been counted of it; memories, barriers and DRAM change no count."""

    feed: Feed
    parts: dict[tuple[bytes, bytes, bytes], Part] = field(default_factory=dict)

    def count(self, spec: ScnnSpec, strips: list[Strip], grouping: Grouping) -> list[Part]:
        """Counts of every strip."""
        feed, queues, found = self.feed, None, []
        for strip in strips:
            owned = strip.rows.owned.tobytes(), strip.columns.owned.tobytes()
            key = (*owned, grouping.bounds.tobytes())
            if key not in self.parts:
                queues = queues or queued(feed.layer, spec, strip, grouping, feed.by_tap)
                self.parts[key] = part(feed.layer, spec, strip, grouping, queues, feed.pixels)
            found.append(self.parts[key])
        return found


def _leaves(feed: Feed, spec: ScnnSpec, strip: Strip, counted: Part) -> np.ndarray:
    """Compressed bytes that each step leaves."""
    entries = output_entries(feed.outputs, strip, spec).sum(axis=1)
    return stored_bytes(np.add.reduceat(entries, counted.filters[:, 0]), spec)


def _stays(feed: Feed, spec: ScnnSpec, strip: Strip, grouping: Grouping) -> np.ndarray:
    """Entries of the output that each PE keeps, int64 (tiles,) or, by its filters, (PEs,)."""
    entries = output_entries(feed.outputs, strip, spec)
    if not strip.shared:
        return entries.sum(axis=0)
    groups = np.add.reduceat(entries[:, 0], grouping.bounds[:-1])
    by_pe = np.zeros(spec.pes, np.int64)
    np.add.at(by_pe, np.arange(groups.size) % spec.pes, groups)
    return by_pe


def plans(
    bench: Bench,
    spec: ScnnSpec,
    strips: list[Strip],
    entries: list[np.ndarray],
    grouping: Grouping,
    fused: Fused,
) -> list[Plan]:
    """The ways in which strips, entries (C, tiles) of each, and groups get their input."""
    feed, counted = bench.feed, bench.count(spec, strips, grouping)
    reads = [
        strip_input(feed.layer, spec, strip, grouping, each)
        for strip, each in zip(strips, entries, strict=True)
    ]
    every, leaves = (
        joined(counted),
        [_leaves(feed, spec, *each) for each in zip(strips, counted, strict=True)],
    )
    alone = len(strips) == 1
    whole = held_bytes(entries[0], strips[0], spec) if alone else None
    most = max(read.most for read in reads)
    held, streamed, starts = (
        np.concatenate([getattr(read, name) for read in reads])
        for name in ("held", "streamed", "starts")
    )
    starts[0] = False
    left, half = np.concatenate(leaves), most <= spec.iaram_bytes // 2
    found = Plan(
        strips=strips,
        strip=np.repeat(np.arange(len(strips)), [each.steps for each in counted]),
        grouping=grouping,
        part=every,
        taken=times(every, spec),
        inputs=held * (not fused.input),
        weights=stored_bytes(every.weight_entries, spec),
        outputs=left * (not fused.output),
        leaves=left,
        breaks=np.zeros_like(starts),
        whole=whole,
        stays=_stays(feed, spec, strips[0], grouping) if alone else None,
        streamed=False,
        half=half,
    )
    if fused.input or half or (whole is not None and whole.max() <= spec.iaram_bytes):
        return [found]
    passing = replace(found, inputs=streamed, streamed=True, half=True)
    if most > spec.iaram_bytes:
        return [passing]
    return [replace(found, breaks=starts), passing]


@dataclass(slots=True)
class _Best:
    """The best plan so far, and how much was looked at."""

    cost: tuple[int, int, tuple[int, int]] | None = None
    plan: Plan | None = None
    conflicts: float = CONFLICTS
    spent: int = 0
    looked: int = 0

    def may_be(self, least: int) -> bool:
        """Whether a plan of at least so many cycles may be the best."""
        return self.cost is None or least <= self.cost[0]


def _look(bench: Bench, spec: ScnnSpec, fused: Fused, left: Numbered, best: _Best) -> None:
    """Work out the most promising candidate, and take it from the list."""
    at = min(range(len(left)), key=lambda n: left[n][1].about(best.conflicts))
    number, chosen = left.pop(at)
    on = chosen.ground
    for plan in plans(bench, spec, on.strips, on.strip_entries(), chosen.grouping, fused):
        found = (*cost(plan, spec), number)
        if best.cost is None or found < best.cost:
            best.cost, best.plan = found, plan
    best.spent, best.looked = best.spent + plan.part.busy_cycles, best.looked + 1
    if chosen.blocks:
        best.conflicts = float(plan.taken.compute.sum()) / chosen.blocks


class _Survey:
    """The candidates of a layer's grids, bounded when a grid is asked for."""

    def __init__(self, feed: Feed, spec: ScnnSpec, fused: Fused) -> None:
        self.feed, self.spec, self.fused = feed, spec, fused
        self.stored = 0.0 if fused.output else feed.stored * spec.entry_bits / 8
        whole = ground(feed, spec, next(iter(grids(feed.layer, spec))))
        self.filters = by_filter(feed, spec, whole)
        self.fewest = weights(feed.layer, spec, self.filters, one_group(feed.layer))
        self.known: dict[bytes, Weights] = {}

    def grids(self) -> list[tuple[int, Grid]]:
        """The grids there are, numbered."""
        found = enumerate(grids(self.feed.layer, self.spec))
        return [each for each in found if each[1].strips == 1 or self.fused == Fused()]

    def read(self, grid: Grid) -> int:
        """Cycles in which the DRAM delivers all weights to every strip."""
        return int(EXACT * transfer(grid.strips * self.fewest.least_bytes, self.spec))

    def candidates(self, grid: Grid) -> list[Candidate]:
        """All plans of a grid."""
        choices = groupings(self.feed.layer, self.spec, grid.area)
        if not choices:
            return []
        on, found = ground(self.feed, self.spec, grid), []
        slow = on.slowest(self.fewest, self.spec)
        for grouping in choices:
            key = grouping.bounds.tobytes()
            if key not in self.known:
                self.known[key] = weights(self.feed.layer, self.spec, self.filters, grouping)
            of = self.known[key]
            found.append(
                candidate(
                    self.feed,
                    self.spec,
                    on,
                    of,
                    self.fewest,
                    slow=slow,
                    left=self.stored,
                    fused=self.fused,
                )
            )
        return found


def search(bench: Bench, spec: ScnnSpec, fused: Fused = NOTHING) -> Plan:
    """The best plan of one image."""
    survey, best = _Survey(bench.feed, spec, fused), _Best()
    left: Numbered = []
    later: list[tuple[int, Grid]] = []
    hope = float("inf")
    for number, grid in survey.grids():
        if survey.read(grid) > HOPELESS * hope:
            later.append((number, grid))
            continue
        found = survey.candidates(grid)
        left += [((number, at), each) for at, each in enumerate(found)]
        hope = min([hope, *(each.about(best.conflicts) for each in found)])
    while left or later:
        if not left:
            number, grid = later.pop(0)
            if best.may_be(survey.read(grid)):
                left = [((number, at), each) for at, each in enumerate(survey.candidates(grid))]
        left = [each for each in left if best.may_be(each[1].least)]
        if best.looked >= LOOKS and best.spent > ENOUGH:
            break
        if left:
            _look(bench, spec, fused, left, best)
    assert best.plan is not None
    return best.plan


def by_layer_groups(bench: Bench, spec: ScnnSpec, joint: Plan) -> Plan:
    """The better of a plan and the layer groups one by one, each with its own best plan.

    Parts that wait for each other take as many cycles as they take alone; where they need more for
    their bytes and latencies, none is looked at.
    """
    feed, layer = bench.feed, bench.feed.layer
    if layer.groups == 1 or spec.tiling != "output" or spec.filters_per_group != "fit":
        return joint
    limit = cost(joint, spec)
    if _least(feed, spec) > limit[0]:
        return joint
    groups = [feed.group(number) for number in range(layer.groups)]
    found = [_moved(search(Bench(group), spec), layer, at) for at, group in enumerate(groups)]
    apart = one_by_one(found, [True] * (layer.groups - 1))
    return apart if cost(apart, spec) < limit else joint


def _least(feed: Feed, spec: ScnnSpec) -> float:
    """Cycles that all layer groups take at least: their non-zeros go through the DRAM."""
    groups, K = feed.layer.groups, feed.layer.K
    read = np.count_nonzero(feed.pixels.reshape(groups, -1), axis=1)
    filters = feed.by_tap.reshape(-1, groups, K // groups)
    read = read + np.count_nonzero(filters, axis=(0, 2))
    stored = np.count_nonzero(feed.outputs.reshape(groups, -1), axis=1)
    waits = spec.dram_latency_cycles * int(np.count_nonzero(read) + np.count_nonzero(stored))
    return waits + transfer(float(read.sum() + stored.sum()) * spec.entry_bits / 8, spec)


def _moved(plan: Plan, layer: ConvLayer, number: int) -> Plan:
    """The plan of one layer group, its filters numbered as those of the layer."""
    first = number * (layer.K // layer.groups)
    return replace(plan, part=replace(plan.part, filters=plan.part.filters + first))
