"""The plan that is taken: the fewest cycles, waits for DRAM included, then the fewest DRAM bytes.

All plans of ``plan`` that fit the memories are judged.  Their bytes are known, their cycles have a
lower bound: what they take if no bank is in conflict.  Blocks are counted until a plan is known, or
its bound exceeds the best plan.  Of plans alike the first is taken.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from arch.cuts import cut
from arch.scnn.counts import Part, Tally
from arch.scnn.feed import Feed, Fused
from arch.scnn.plan import Grid, Grouping, is_named, plans
from arch.scnn.plane import Plane, plane
from arch.scnn.residency import Input, plane_input, stored_bytes
from arch.scnn.sequence import Plan, cost, floor, one_by_one
from arch.scnn.spec import ScnnSpec
from arch.scnn.timing import times
from arch.scnn.weights import Taps, Weights, taps, weights
from workloads.layer import ConvLayer

NOTHING = Fused()
Cost = tuple[int, int, int]  # cycles, bytes, number of the plan


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """One image, and what has been counted of it; memories, barriers and DRAM change no count."""

    feed: Feed
    planes: dict[Grid, Plane] = field(default_factory=dict)
    taps: list[Taps] = field(default_factory=list)
    queues: dict[bytes, Weights] = field(default_factory=dict)
    tallies: dict[tuple[Grid, bytes], Tally] = field(default_factory=dict)
    loads: dict[tuple[Tally, int], tuple[Input, np.ndarray]] = field(default_factory=dict)
    least: dict[tuple[Grid, bool], int] = field(default_factory=dict)
    parts: "dict[int, Bench]" = field(default_factory=dict)

    def tally(self, spec: ScnnSpec, grid: Grid, grouping: Grouping) -> Tally:
        """The count of a plan, as far as it has come."""
        groups = grouping.bounds.tobytes()
        if (grid, groups) not in self.tallies:
            on = self.plane(spec, grid)
            self.tallies[grid, groups] = Tally(spec, on, self.weights(spec, grouping))
        return self.tallies[grid, groups]

    def stored(self, spec: ScnnSpec, tally: Tally) -> tuple[Input, np.ndarray]:
        """The input of a plan, and the compressed bytes that each step leaves."""
        key = tally, spec.entry_bits
        if key not in self.loads:
            leaves = _leaves(tally.on, tally.part(), spec)
            self.loads[key] = plane_input(spec, tally.on, tally.of), leaves
        return self.loads[key]

    def plane(self, spec: ScnnSpec, grid: Grid) -> Plane:
        """The image on a grid."""
        if grid not in self.planes:
            self.planes[grid] = plane(self.feed, spec, grid)
        return self.planes[grid]

    def weights(self, spec: ScnnSpec, grouping: Grouping) -> Weights:
        """The weights of groups of filters, the same on every plane."""
        if not self.taps:
            self.taps.append(taps(self.feed, spec))
        key = grouping.bounds.tobytes()
        if key not in self.queues:
            self.queues[key] = weights(self.taps[0], spec, grouping)
        return self.queues[key]

    def fewest(self, spec: ScnnSpec, grid: Grid) -> int:
        """Cycles of blocks that no grouping of a grid undercuts."""
        key = grid, spec.barrier == "layer"
        if key not in self.least:
            self.least[key] = self._fewest(spec, grid)
        return self.least[key]

    def _fewest(self, spec: ScnnSpec, grid: Grid) -> int:
        on, layer = self.plane(spec, grid), self.feed.layer
        vectors = self.weights(spec, Grouping(cut(layer.K, layer.K))).vectors
        cycles = vectors.reshape(-1) @ on.flat
        if on.shared or spec.barrier == "layer":
            return int(cycles.sum()) // spec.pes
        return int(on.by_strip(cycles, most=True).sum())

    def group(self, number: int) -> "Bench":
        """One layer group."""
        if number not in self.parts:
            self.parts[number] = Bench(self.feed.group(number))
        return self.parts[number]


def _leaves(on: Plane, part: Part, spec: ScnnSpec) -> np.ndarray:
    """Compressed bytes that each step leaves."""
    entries = on.by_strip(on.outputs)
    starts = part.filters[: part.steps // on.strips, 0]
    return stored_bytes(np.add.reduceat(entries, starts, axis=0).T.reshape(-1), spec)


def _stays(on: Plane, of: Weights, spec: ScnnSpec) -> np.ndarray:
    """Entries of the output that each PE keeps, int64 (tiles,) or, by its filters, (PEs,)."""
    if not on.shared:
        found: np.ndarray = on.outputs.sum(axis=0)
        return found
    groups = np.add.reduceat(on.outputs[:, 0], of.grouping.bounds[:-1])
    by_pe = np.zeros(spec.pes, np.int64)
    np.add.at(by_pe, np.arange(groups.size) % spec.pes, groups)
    return by_pe


def ways(bench: Bench, tally: Tally, spec: ScnnSpec, fused: Fused) -> list[Plan]:
    """The ways in which strips and groups get their input, with what is counted so far."""
    on, of, part = tally.on, tally.of, tally.part()
    read, leaves = bench.stored(spec, tally)
    weights_read = stored_bytes(part.weight_entries, spec)
    half = read.most <= spec.iaram_bytes // 2
    found = Plan(
        strips=on.strips,
        grouping=of.grouping,
        part=part,
        taken=times(part, spec),
        inputs=read.held * (not fused.input),
        weights=weights_read,
        outputs=leaves * (not fused.output),
        leaves=leaves,
        weights_once=int(weights_read.sum()) // on.strips,
        breaks=np.zeros_like(read.starts),
        whole=read.whole,
        stays=_stays(on, of, spec) if on.strips == 1 else None,
        streamed=False,
        half=half,
    )
    whole = read.whole is not None and read.whole.max() <= spec.iaram_bytes
    if fused.input or half or whole:
        return [found]
    passing = replace(found, inputs=read.streamed, streamed=True, half=True)
    if read.most > spec.iaram_bytes:
        return [passing]
    return [replace(found, breaks=read.starts), passing]


class _Candidate:
    """A plan that is being counted, every way to get its input."""

    def __init__(
        self, number: int, bench: Bench, tally: Tally, spec: ScnnSpec, fused: Fused
    ) -> None:
        self.number, self.tally, self.spec = number, tally, spec
        self.ways = ways(bench, tally, spec, fused)
        self.least = self._least()

    def _least(self) -> Cost:
        return (*min(floor(way, self.spec) for way in self.ways), self.number)

    def count(self, best: Cost | None) -> Plan | None:
        """The best way, unless it is known to be worse than the best plan."""
        for _ in self.tally.stages():
            part = self.tally.part()
            taken = times(part, self.spec)
            self.ways = [replace(way, part=part, taken=taken) for way in self.ways]
            if best is not None and self._least() > best:
                return None
        return min(self.ways, key=lambda way: cost(way, self.spec))


class _Search:
    """The best plan so far, and the plans that may be better."""

    def __init__(
        self, bench: Bench, spec: ScnnSpec, fused: Fused, limit: tuple[int, int] | None
    ) -> None:
        self.bench, self.spec, self.fused = bench, spec, fused
        self.left: list[_Candidate] = []
        self.plan: Plan | None = None
        self.best: Cost | None = None if limit is None else (*limit, -1)

    def hopeless(self, grid: Grid, number: int) -> bool:
        """Whether no plan of a grid can be the best: they have no fewer blocks than one group."""
        if self.best is None:
            return False
        cycles = self.bench.fewest(self.spec, grid)
        return (cycles, 0, number) > self.best

    def add(self, grid: Grid, groupings: list[Grouping], number: int) -> bool:
        """Bound all plans of a grid; whether one of them promises more than all that are left.

        What another search has counted is judged at once.
        """
        before = min((each.least for each in self.left), default=None)
        for at, grouping in enumerate(groupings):
            tally = self.bench.tally(self.spec, grid, grouping)
            found = _Candidate(number + at, self.bench, tally, self.spec, self.fused)
            if tally.done:
                self._judge(found)
            else:
                self.left.append(found)
        after = min((each.least for each in self.left), default=None)
        return after is not None and (before is None or after < before)

    def count(self) -> None:
        """Count all that are left, the most promising first, until none can be the best."""
        for each in sorted(self.left, key=lambda one: one.least):
            self._judge(each)
        self.left = []

    def _judge(self, candidate: _Candidate) -> None:
        """Take a plan if it is better than the best."""
        if self.best is not None and candidate.least > self.best:
            return
        plan = candidate.count(self.best)
        if plan is None:
            return
        found = (*cost(plan, self.spec), candidate.number)
        if self.best is None or found < self.best:
            self.plan, self.best = plan, found


def search(
    bench: Bench, spec: ScnnSpec, fused: Fused, limit: tuple[int, int] | None = None
) -> Plan | None:
    """The best plan of one image; None where what stays on chip wants one strip, and none fits.

    None also where no plan takes less than ``limit``, cycles and bytes.  Which plans are counted
    first changes no result, only how many of the others must be.
    """
    found, number = _Search(bench, spec, fused, limit), 0
    for grid, groupings in plans(bench.feed.layer, spec):
        if grid.strips > 1 and fused != NOTHING:
            break
        if not found.hopeless(grid, number) and not found.add(grid, groupings, number):
            found.count()
        number += len(groupings)
    found.count()
    return found.plan


def best_alone(bench: Bench, spec: ScnnSpec) -> Plan:
    """The best plan of one image whose neighbours keep nothing for it; there always is one."""
    plan = search(bench, spec, NOTHING)
    assert plan is not None
    return plan


def by_layer_groups(bench: Bench, spec: ScnnSpec, joint: Plan) -> Plan:
    """The better of a plan and the layer groups one by one, each with its own best plan.

    Parts that wait for each other take as many cycles as they take alone; where they need more for
    their bytes and latencies, none is looked at.
    """
    feed, layer = bench.feed, bench.feed.layer
    if layer.groups == 1 or is_named(spec):
        return joint
    limit = cost(joint, spec)
    if _least(feed, spec) > limit[0]:
        return joint
    numbers = range(layer.groups)
    found = [_moved(best_alone(bench.group(number), spec), layer, number) for number in numbers]
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
    size = float(read.sum() + stored.sum()) * spec.entry_bits / 8
    return waits + size * spec.clock_hz / spec.dram_bandwidth_bytes_per_s


def _moved(plan: Plan, layer: ConvLayer, number: int) -> Plan:
    """The plan of one layer group, its filters numbered as those of the layer."""
    first = number * (layer.K // layer.groups)
    return replace(plan, part=replace(plan.part, filters=plan.part.filters + first))
