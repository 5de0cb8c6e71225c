"""The plan of a layer: the one that takes the fewest cycles, then the fewest DRAM bytes.

Assumption: to choose from are the pieces of the schedules and the blocks of windows, whatever fits
half of each memory; waits for DRAM count.  The images of a batch go through together, as if their
windows were those of one image, or one by one as each would alone.  Together only where that moves
no more bytes than the images need at the very least, each by itself: so a batch never costs more
than its images.

Rule: specification/bit_tactical.md, BIT-11.
"""

from collections.abc import Iterator

import numpy as np

from arch.bit_tactical.dram import Moved, Stored, moved, stored, weight_loads
from arch.bit_tactical.layout import Layout
from arch.bit_tactical.plan import Plan, pass_channels, row_bytes
from arch.bit_tactical.schedule import Schedule
from arch.bit_tactical.spec import BitTacticalSpec
from arch.bit_tactical.tally import Costs, Tally, tally
from arch.cuts import cut
from arch.errors import OperandError
from arch.lines import lines_under
from arch.memory import burst_bytes
from arch.parts import cheapest, few_counts, part_counts, parts, price_of

Cost = tuple[int, int]


class Planner:
    """Plans of one layer's images.

    Parameters
    ----------
    found : Layout
    made : Schedule
    costs : of a bit-serial back end, or None
    spec : BitTacticalSpec
    activations : uint8 or int8, shape (N, C, H, W)
    outputs : as stored, (N, K, P, Q), or None where they are stored as words
    """

    def __init__(
        self,
        found: Layout,
        made: Schedule,
        costs: Costs | None,
        spec: BitTacticalSpec,
        activations: np.ndarray,
        outputs: np.ndarray | None,
    ) -> None:
        self.layout, self.made, self.costs, self.spec = found, made, costs, spec
        self.sets = min(spec.tiles, found.sizes.size)
        self.copies = spec.tiles // self.sets
        self.starts = np.arange(0, found.sizes.size, self.sets)
        self.channels = pass_channels(found, self.starts, self.sets)
        self.depth = int(np.diff(self.channels, axis=1).max()) * spec.operand_bytes
        self.sizes: Stored = stored(found, self.channels, made, spec, activations, outputs)
        self.most = max(1, int(made.counts.max()))
        self._weights: dict[int, np.ndarray] = {}

    def _refuse(self, what: str, memory: str, need: int, half: int) -> OperandError:
        return OperandError(
            f"{self.layout.layer.name}: {what} needs {need} B of the {memory} memory, half of it "
            f"holds {half} B"
        )

    def _pieces(self) -> list[int]:
        """Steps of a piece that fit half the weight memory of a tile."""
        half = self.spec.weight_bytes // self.spec.tiles // 2
        row = int(row_bytes(np.array(self.spec.filters), self.spec))
        if row > half:
            raise self._refuse("one step", "weight (of a tile)", row, half)
        counts = part_counts(self.most)
        return [size for n in counts if (size := -(-self.most // n)) * row <= half]

    def _blocks(self, images: slice) -> Iterator[np.ndarray]:
        """Bounds of blocks: of whole pallets for all copies, then of parts of that."""
        each = self.layout.layer.P * self.layout.layer.Q
        first, total = images.start * each, (images.stop - images.start) * each
        pallet = self.copies * self.spec.windows
        whole = -(-total // pallet)
        for count in part_counts(whole):
            yield first + np.minimum(parts(whole, count) * pallet, total)
        for count in few_counts(pallet)[1:]:
            yield first + cut(total, -(-pallet // count))

    def plans(self, images: slice) -> list[Plan]:
        """All that fit, in an order that no memory changes.

        Raises
        ------
        OperandError
            If the least that a step can work on exceeds half a memory.
        """
        spec, layer = self.spec, self.layout.layer
        pieces, outputs = self._pieces(), spec.output_bytes // 2
        filters = int(np.add.reduceat(self.layout.sizes, self.starts).max())
        count = images.stop - images.start
        half = spec.activation_bytes // 2
        stays = count * layer.H * layer.W * self.depth <= half
        needs = [
            (bounds, int(np.diff(bounds).max()), int(lines_under(layer, bounds).sizes().max()))
            for bounds in self._blocks(images)
        ]
        found = []
        narrow = False
        for piece in pieces:
            whole = piece >= self.most
            window = filters * (spec.operand_bytes if whole else spec.psum_bytes)
            for bounds, most, pixels in needs:
                if most * window > outputs:
                    continue
                narrow = True
                if stays or pixels * self.depth <= half:
                    number = -(-self.most // piece)
                    found.append(self._plan(images, bounds, piece, number, stays))
        if not narrow:
            word = spec.operand_bytes if pieces[0] >= self.most else spec.psum_bytes
            raise self._refuse("one window", "output", filters * word, outputs)
        if not found:
            least = min(pixels for _, _, pixels in needs) * self.depth
            raise self._refuse("the lines of one window", "activation", least, half)
        return found

    def _plan(
        self, images: slice, bounds: np.ndarray, piece: int, pieces: int, stays: bool
    ) -> Plan:
        return Plan(
            self.layout, images, self.sets, self.copies, bounds, piece, pieces, self.channels, stays
        )

    def least_work(self, images: slice) -> int:
        """Cycles that no plan beats: all in one piece and block, shared evenly by the copies."""
        each = self.layout.layer.P * self.layout.layer.Q
        bounds = np.array([images.start * each, images.stop * each])
        plan = Plan(self.layout, images, self.sets, 1, bounds, self.most, 1, self.channels, False)
        by_set = tally(plan, self.made, self.costs, self.spec).cycles[0, :, 0, 0]
        return int((-(-np.maximum.reduceat(by_set, self.starts) // self.copies)).sum())

    def bound(self, plan: Plan, work: int) -> int:
        """Cycles that a plan cannot beat, if its tiles work at least so long."""
        latency = self.spec.dram_latency_cycles
        if plan.piece not in self._weights:
            single = weight_loads(plan, self.made, self.sizes)
            self._weights[plan.piece] = np.add.reduceat(single, self.starts, axis=0)
        weights = self._weights[plan.piece]
        times = plan.windows.size if plan.pieces > 1 else 1
        passes = self.starts.size
        requests = passes * (plan.windows.size + times * plan.pieces)
        first = int(weights[0, 0])
        server = times * int(weights.sum())
        # a set without a step loads nothing
        empty = passes * times * plan.pieces - times * int(np.count_nonzero(weights))
        return max(
            work + latency + (latency if first else 0) + self._transfer(first),
            (requests - empty) * latency + self._transfer(server),
        )

    def _transfer(self, size: int) -> int:
        return -(-size * self.spec.clock_hz // self.spec.dram_bandwidth_bytes_per_s)

    def run(self, plan: Plan) -> tuple[Tally, Moved]:
        """What a plan does."""
        counts = tally(plan, self.made, self.costs, self.spec)
        return counts, moved(plan, self.made, counts, self.spec, self.sizes)

    def best(
        self, images: slice, *, most_cycles: int | None = None, most_bytes: int | None = None
    ) -> tuple[Cost, Plan] | None:
        """Cost and plan; None where none keeps within so many cycles and bytes."""
        work = self.least_work(images)
        bounded = [(self.bound(plan, work), plan) for plan in self.plans(images)]
        if most_cycles is not None:
            bounded = [one for one in bounded if one[0] <= most_cycles]

        def price(plan: Plan) -> Cost | None:
            cost = price_of(self.run(plan)[1].steps, self.spec)
            return cost if most_bytes is None or cost[1] <= most_bytes else None

        return cheapest(bounded, price)

    def least_bytes(self, image: int) -> int:
        """DRAM bytes that no plan of one image can do without: each tensor once."""
        layer, sizes = self.layout.layer, self.sizes
        each = layer.P * layer.Q
        rows = image * each + np.arange(layer.P + 1) * layer.Q
        lines = lines_under(layer, rows)
        first = lines.first.copy()
        first[1:] = np.maximum(first[1:], np.minimum(lines.last[:-1], lines.last[1:]))
        other = np.ones(self.starts.size, bool)
        other[1:] = np.any(self.channels[1:] != self.channels[:-1], axis=1)
        inputs = int((sizes.lines[other][:, lines.last] - sizes.lines[other][:, first]).sum())
        left = np.take_along_axis(sizes.weights, self.made.counts[:, None], axis=1)
        bits = int((sizes.outputs[:, rows[-1]] - sizes.outputs[:, rows[0]]).sum())
        tensors = inputs, -(-int(left.sum()) // 8), -(-bits // 8)
        return sum(burst_bytes(size, self.spec) for size in tensors)


def plans(planner: Planner, images: int) -> tuple[Plan, ...]:
    """The plan of all images together, or one of each.

    Raises
    ------
    OperandError
        If the least that a step can work on exceeds half a memory; names layer, memory, bytes.
    """
    alone = [planner.best(slice(image, image + 1)) for image in range(images)]
    chosen = [one for one in alone if one is not None]
    if images > 1:
        cycles, size = (sum(cost[way] for cost, _ in chosen) for way in (0, 1))
        least = sum(planner.least_bytes(image) for image in range(images))
        together = planner.best(slice(0, images), most_cycles=cycles, most_bytes=least)
        if together is not None and together[0] <= (cycles, size):
            chosen = [together]
    return tuple(plan for _, plan in chosen)
