"""The plan of a layer: the one that takes the fewest cycles, then the fewest DRAM bytes.

The shared buffers are double buffered: one half serves the step at work.  Assumption, all of it:
to choose from are how the filters are balanced (as the spec says, or not at all), the number of
passes of a filter group, the filter groups that lie in the filter buffer together, the number of
runs into which the output rows are cut, and whether filters or rows stay; whatever fits half of
each buffer.  Waits for DRAM count.

The images of a batch go through together, as if their rows were those of one image, or one by one
as each would alone.  Together only where that loads and stores no more bytes than the images need
at the very least, each by itself: so a batch never costs more than its images.

Rules: specification/sparten.md, SPA-9 and SPA-10.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np

from arch.errors import OperandError
from arch.memory import burst_bytes
from arch.parts import cheapest, one_by_one, part_counts, parts, price_of
from arch.sparten.arrange import Arrangement, arrangements, output_pixel_bytes
from arch.sparten.join import Joins
from arch.sparten.lines import Lines, Runs, input_lines, runs
from arch.sparten.spec import SpartenSpec
from arch.sparten.steps import nonzeros_below, steps
from arch.steps import Steps
from workloads.layer import ConvLayer

AT_ONCE = 4  # numbers of passes that are worked out together, the fewest first


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One plan of some images; ``images`` their first and last + 1."""

    arranged: Arrangement
    under: Runs
    filters_outer: bool
    images: slice


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What some images do: a choice and its steps."""

    choice: Choice
    dram: Steps

    @property
    def dealt(self) -> int:
        """Cycles in which clusters have no work in a step."""
        arranged, images = self.choice.arranged, self.choice.images
        joins = arranged.joins
        occupied = int(joins.occupied(arranged.passes, images).sum())
        return joins.spec.clusters * self.dram.cycles - occupied


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Images together, or one part for each."""

    parts: tuple[Part, ...]

    @property
    def dram(self) -> Steps:
        """All steps."""
        return one_by_one([part.dram for part in self.parts])


class Planner:
    """Plans of one layer's images.

    Parameters
    ----------
    layer : ConvLayer
    activations : integers, shape (N, C, H, W)
    ways : Joins, of filters balanced in all ways there are to choose from
    outputs : requantized outputs, integers (N, K, P, Q), or None
    spec : SpartenSpec
    """

    def __init__(
        self,
        layer: ConvLayer,
        activations: np.ndarray,
        ways: tuple[Joins, ...],
        outputs: np.ndarray | None,
        spec: SpartenSpec,
    ) -> None:
        self.layer, self.spec, self.ways = layer, spec, ways
        self.lines: Lines = input_lines(layer, activations, spec)
        self.below = {way: nonzeros_below(outputs, way.filters.order, spec) for way in ways}
        self.arranged = [one for way in ways for one in arrangements(way)]
        self._under: dict[Hashable, Runs] = {}
        self._work: dict[Hashable, int] = {}

    def choices(self, images: slice) -> list[Choice]:
        """All that fit, in an order that no buffer changes.

        Raises
        ------
        OperandError
            If the least a step can work on exceeds half a shared buffer.
        """
        spec = self.spec
        room = [one for one in self.arranged if one.most_stored <= spec.filter_glb_bytes // 2]
        if not room:
            least = min(one.most_stored for one in self.arranged)
            raise self._refuse("one chunk of a filter group needs", least, "filter")
        narrow = [one for one in room if one.row_bytes <= spec.output_glb_bytes // 2]
        if not narrow:
            least, filters = min((one.row_bytes, int(np.diff(one.filters).max())) for one in room)
            raise self._refuse(f"one output row of {filters} filters needs", least, "output")
        found = [choice for one in narrow for choice in self._fitting(one, images)]
        if not found:
            last = part_counts(self._rows(images))[-1]
            least = min(self._runs(images, last, one).most_held for one in narrow)
            raise self._refuse("the input lines of one output row need", least, "input")
        return found

    def _refuse(self, what: str, need: int, buffer: str) -> OperandError:
        half = getattr(self.spec, f"{buffer}_glb_bytes") // 2
        return OperandError(
            f"{self.layer.name}: {what} {need} B of {buffer}_glb_bytes, half of it holds {half} B"
        )

    def _rows(self, images: slice) -> int:
        return (images.stop - images.start) * self.layer.P

    def _runs(self, images: slice, count: int, arranged: Arrangement) -> Runs:
        key = images.start, images.stop, count, arranged.pieces.tobytes()
        if key not in self._under:
            bounds = images.start * self.layer.P + parts(self._rows(images), count)
            self._under[key] = runs(self.lines, bounds, arranged.pieces)
        return self._under[key]

    def _fitting(self, arranged: Arrangement, images: slice) -> Iterator[Choice]:
        most = self.spec.output_glb_bytes // 2 // arranged.row_bytes
        for count in part_counts(self._rows(images)):
            if -(-self._rows(images) // count) > most:
                continue
            under = self._runs(images, count, arranged)
            if under.most_held > self.spec.input_glb_bytes // 2:
                continue
            for filters_outer in (True, False):
                # with one block or one run both orders are the same
                if filters_outer or min(count, arranged.blocks) > 1:
                    yield Choice(arranged, under, filters_outer, images)

    def bound(self, choice: Choice) -> int:
        """Cycles that a choice cannot beat: the DRAM's, and those of its first load and work."""
        arranged, under, spec = choice.arranged, choice.under, self.spec
        times = under.count
        if arranged.passes == 1 and (choice.filters_outer or arranged.blocks == 1):
            times = 1  # filters are loaded once
        outputs = under.count * arranged.blocks  # stores
        requests = times * arranged.blocks * arranged.passes + outputs
        latency = spec.dram_latency_cycles
        clusters = 1  # in step after each chunk the times are those of all clusters
        if spec.sync != "chunk":
            pairs = under.most_rows * self.layer.Q * arranged.most_groups
            clusters = min(spec.clusters, pairs)
        first = int(arranged.stored[0, 0] + under.held[0, 0])
        return max(
            requests * latency + self._transfer(times * arranged.all_stored + under.fresh),
            -(-self._least_work(choice) // clusters) + 2 * latency + self._transfer(first),
        )

    def _transfer(self, size: int) -> int:
        return -(-size * self.spec.clock_hz // self.spec.dram_bandwidth_bytes_per_s)

    def _least_work(self, choice: Choice) -> int:
        """Cycles of clusters; fewer than true where their passes have not been joined yet.

        Passes that cut other passes never take less: the sum of the slowest is no less than the
        slowest sum.
        """
        joins, passes, images = choice.arranged.joins, choice.arranged.passes, choice.images
        free = self.spec.sync == "asynchronous"
        known = [n for n in joins.known if passes % n == 0 or not free]
        if free and passes == joins.filters.chunks:
            return int(joins.waited[:, images].sum())
        return max((self._known_work(joins, n, images) for n in known), default=0)

    def _known_work(self, joins: Joins, passes: int, images: slice) -> int:
        key = joins, passes, images.start, images.stop
        if key not in self._work:
            each = self.layer.P * joins.positions
            own = joins.times(passes)[:, :, images.start * each : images.stop * each]
            self._work[key] = int(own.sum())
        return self._work[key]

    def best(
        self, images: slice, *, most_cycles: int | None = None, most_bytes: int | None = None
    ) -> tuple[tuple[int, int], Choice] | None:
        """Cost and choice; None where none keeps within so many cycles and bytes."""
        choices = self.choices(images)
        counts = {
            way: sorted({one.arranged.passes for one in choices if one.arranged.joins is way})
            for way in self.ways
        }
        for way in self.ways:
            way.prepare(counts[way][:AT_ONCE])
        bounded = [(self.bound(choice), choice) for choice in choices]
        if most_cycles is not None:
            bounded = [one for one in bounded if one[0] <= most_cycles]

        def price(choice: Choice) -> tuple[int, int] | None:
            way, passes = choice.arranged.joins, choice.arranged.passes
            if passes not in way.known:
                more = [n for n in counts[way] if n >= passes and n not in way.known]
                way.prepare(more[:AT_ONCE])
            cost = price_of(self.steps(choice), self.spec)
            return cost if most_bytes is None or cost[1] <= most_bytes else None

        return cheapest(bounded, price)

    def steps(self, choice: Choice) -> Steps:
        """What a choice does step by step."""
        below = self.below[choice.arranged.joins]
        return steps(choice.arranged, choice.under, below, filters_outer=choice.filters_outer)

    def least_bytes(self, image: int) -> int:
        """DRAM bytes that no plan of one image can do without: each tensor once."""
        layer, spec, way = self.layer, self.spec, self.ways[0]
        rows = image * layer.P + np.arange(layer.P + 1)
        pieces = np.array([[0, self.lines.below.shape[1] - 1]])
        under, below = runs(self.lines, rows, pieces), self.below[way]
        pixels = layer.P * layer.Q
        outputs = pixels * layer.K * spec.operand_bytes
        if below is not None:
            values = int(below[rows[-1], -1] - below[rows[0], -1])
            overhead = int(output_pixel_bytes(np.array(layer.K), spec))
            outputs = values * spec.operand_bytes + pixels * overhead
        tensors = (int((under.held - under.shared).sum()), int(way.filters.stored.sum()), outputs)
        return sum(burst_bytes(size, spec) for size in tensors)


def plan(
    layer: ConvLayer,
    activations: np.ndarray,
    ways: tuple[Joins, ...],
    outputs: np.ndarray | None,
    spec: SpartenSpec,
) -> Plan:
    """The plan of a layer; see ``Planner``.

    Raises
    ------
    OperandError
        If the least a step can work on exceeds half a shared buffer.
    """
    planner, count = Planner(layer, activations, ways, outputs, spec), activations.shape[0]
    alone = [planner.best(slice(image, image + 1)) for image in range(count)]
    chosen = [one for one in alone if one is not None]
    if count > 1:
        cycles, size = (sum(cost[way] for cost, _ in chosen) for way in (0, 1))
        least = sum(planner.least_bytes(image) for image in range(count))
        together = planner.best(slice(0, count), most_cycles=cycles, most_bytes=least)
        if together is not None and together[0] <= (cycles, size):
            chosen = [together]
    return Plan(tuple(Part(choice, planner.steps(choice)) for _, choice in chosen))
