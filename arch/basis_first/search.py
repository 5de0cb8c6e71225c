"""The plan of ``loop_order = auto``: bounds first, then exact cycles of what they leave.

A plan has four prices, each dearer to find than the one before: cycles on the DRAM bus, at least;
cycles of the slices, at least; a bound from its exact bytes, step by step; its exact cycles.  The
cheapest plan so far is looked at next, until the cheapest is known exactly.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from arch.basis_first.auto import Choice
from arch.basis_first.cuts import Cut
from arch.basis_first.plan_costs import PlanCosts
from arch.basis_first.steps import Plan, Step, StepBytes
from arch.memory import Traffic, finish

Cost = tuple[int, int, int]  # cycles, DRAM bytes, number of the plan
UNLIMITED: Cost = (1 << 63, 0, 0)
LAST = 1 << 30  # behind every plan of the set


@dataclass(frozen=True, eq=False)
class Ordered:
    """Steps of one image or batch in order; int64 (steps,) each.

    k_tile, pass_, image, piece : what a step works on; ``cut`` says what the pieces are
    lengths : cycles of each step, or no more than it takes; input, output : bytes in whole bursts
    """

    choice: Choice
    cut: Cut
    k_tile: np.ndarray
    pass_: np.ndarray
    image: np.ndarray
    piece: np.ndarray
    lengths: np.ndarray
    input: np.ndarray
    output: np.ndarray


@dataclass(frozen=True, eq=False)
class Timed:
    """A plan with its cycles and DRAM bytes; several parts follow each other image by image."""

    cycles: int
    dram_bytes: int
    number: int
    parts: tuple[Ordered, ...]
    bytes: StepBytes

    @property
    def cost(self) -> Cost:
        """What ``auto`` minimizes; of equals the one that stands first in the set."""
        return self.cycles, self.dram_bytes, self.number

    def plan(self) -> Plan:
        """The steps one by one."""
        steps = []
        for part in self.parts:
            cut, final = part.cut, part.cut.problem.passes - 1
            spans = [(int(a), int(b)) for a, b in cut.completed]
            columns = (part.k_tile, part.pass_, part.image, part.piece)
            for k, number, image, piece in zip(*(each.tolist() for each in columns), strict=True):
                tile, rows = cut.pieces[piece]
                done = number == final
                span = spans[piece] if done else (spans[piece][0],) * 2
                last = done and bool(cut.last[piece])
                steps.append(Step(k, number, image, cut.tiles[tile], rows, span, last))
        first = self.parts[0]
        names = dict.fromkeys(part.choice.order for part in self.parts)
        size = first.choice.height, first.choice.width
        return Plan("+".join(names), *size, len(first.cut.tiles), tuple(steps), self.bytes)


# Cycles, bytes (both at least), number of the plan, and its steps where its bytes are exact.
_Priced = tuple[int, int, int, Ordered | None]


class Search(PlanCosts):
    """One layer whose plans are compared."""

    def best(self, limit: Cost = UNLIMITED) -> Timed | None:
        """The best plan of the set, None where no plan fits or all cost ``limit`` or more.

        A batch takes no more bytes than its images one by one, which is one of its plans.
        """
        count = len(self.problem.images)
        if count == 1:
            return self._best([0], limit)
        alone = [self._best([image]) for image in range(count)]
        singles = [one for one in alone if one is not None]
        if len(singles) < count:
            return None
        sequence = self._sum(LAST, [part for one in singles for part in one.parts])
        most = sum(one.dram_bytes for one in singles)
        found = self._best(range(count), sequence.cost, most) or sequence
        return found if found.cost < limit else None

    def _best(
        self, images: Sequence[int], limit: Cost = UNLIMITED, most_bytes: int | None = None
    ) -> Timed | None:
        """The best plan that takes ``images`` together and costs less than ``limit``."""
        best: Timed | None = None
        bounds, busy = self._on_the_bus(images), np.empty(0, np.int64)
        if limit == UNLIMITED:  # the slices' work is needed anyway
            busy = self._busy(images)
            bounds = np.maximum(bounds, busy)
        queue: list[_Priced] = [
            (each, 0, number, None) for number, each in enumerate(bounds.tolist())
        ]
        heapq.heapify(queue)
        fits = set[int]()
        while queue and queue[0][:3] < limit:
            cycles, _, number, steps = heapq.heappop(queue)
            if steps is not None:
                found = self._sum(number, [self._timed(steps, images)])
                if found.cost < limit:
                    best, limit = found, found.cost
            elif number in fits:
                steps = self._ordered(self.choices[number], images)
                least = self._sum(number, [steps])
                if most_bytes is None or least.dram_bytes <= most_bytes:
                    bound = max(cycles, least.cycles)
                    heapq.heappush(queue, (bound, least.dram_bytes, number, steps))
            elif self._fits(self.choices[number], images):
                fits.add(number)
                busy = busy if busy.size else self._busy(images)
                heapq.heappush(queue, (max(cycles, int(busy[number])), 0, number, None))
        return best

    def _fits(self, choice: Choice, images: Iterable[int]) -> bool:
        """Whether the buffers allow a choice."""
        problem, spec = self.problem, self.problem.spec
        half_in, half_out = spec.input_glb_bytes // 2, spec.output_glb_bytes // 2
        if not problem.psums_fit(choice.height, choice.width):
            return False
        image_most, plane_most = self.shapes.largest
        if choice.held == "image" and any(
            self.shapes.whole(image)[0] > half_in for image in images
        ):
            return False
        cut = self.shapes.cut(choice.key)
        for image in images:
            if choice.held != "image" and image_most > half_in:
                what = "tiles" if choice.held == "tile" else "pieces"
                if self.shapes.map(cut, image, what)[0].max(initial=0) > half_in:
                    return False
            if plane_most <= half_out:
                continue
            output = self.shapes.map(cut, image, "outputs")[0]
            if choice.order == "coefficient_outer":
                output = output[:, ~cut.single]  # a row is stored as it comes
            if output.max(initial=0) > half_out:
                return False
        return True

    def _order(self, choice: Choice, cut: Cut, images: int) -> tuple[np.ndarray, ...]:
        """k-tile, pass, image and piece of every step."""
        shape = len(self.problem.k_tiles), self.problem.passes, images, len(cut.pieces)
        k, number, image, piece = (at.ravel() for at in np.indices(shape))
        tile = cut.tile_of[piece]
        if choice.order == "coefficient_outer":
            order = np.lexsort((piece, number, tile, image, k))
        else:
            order = np.lexsort((piece, number, k, tile, image))
        return k[order], number[order], image[order], piece[order]

    def _ordered(self, choice: Choice, images: Sequence[int]) -> Ordered:
        """The steps of a choice, their exact bytes, and a cycle for each pixel that they need."""
        problem, cut = self.problem, self.shapes.cut(choice.key)
        k, number, which, piece = self._order(choice, cut, len(images))
        pixels = [cut.tiles[tile].columns.needed.size * rows.size for tile, rows in cut.pieces]
        done = number == problem.passes - 1
        output = np.zeros(k.size, np.int64)
        if problem.around.stored:
            stored = np.stack([self.shapes.map(cut, image, "outputs")[1] for image in images])
            output = stored[which, k, piece] * done
        loaded = np.zeros(k.size, np.int64)
        if not problem.around.input_on_chip:
            loaded = self._loads(choice, images, k, which, piece)
        image = np.array(list(images))[which]
        least = np.array(pixels, np.int64)[piece]
        return Ordered(choice, cut, k, number, image, piece, least, loaded, output)

    def _timed(self, steps: Ordered, images: Sequence[int]) -> Ordered:
        """The same steps with their exact lengths."""
        problem, cut, piece = self.problem, steps.cut, steps.piece
        compute = np.zeros((max(images) + 1, *self.times.of(cut, images[0]).shape), np.int64)
        for image in images:
            compute[image] = self.times.of(cut, image)
        lengths = compute[steps.image, steps.k_tile, steps.pass_, piece]
        lengths += problem.spec.pipeline_cycles
        if self.tensors.mode != "pointwise":
            widths = np.array([tile.width for tile in cut.tiles])[cut.tile_of] * cut.last
            lengths += widths[piece] * (steps.pass_ == problem.passes - 1)
        return replace(steps, lengths=lengths)

    def _loads(
        self,
        choice: Choice,
        images: Sequence[int],
        k: np.ndarray,
        which: np.ndarray,
        piece: np.ndarray,
    ) -> np.ndarray:
        """Input bytes of every step: nothing where they are held, or nothing is broadcast."""
        cut = self.shapes.cut(choice.key)
        some = np.array([rows.size > 0 for _, rows in cut.pieces])[piece]
        some &= np.array([tile.columns.needed.size > 0 for tile in cut.tiles])[cut.tile_of[piece]]
        if choice.held == "none":
            sizes = np.stack([self.shapes.map(cut, image, "pieces")[1] for image in images])
            return sizes[which, piece] * some
        held = which
        sizes = np.array([self.shapes.whole(image)[1] for image in images])[which]
        if choice.held == "tile":
            tile = cut.tile_of[piece]
            sizes = np.stack([self.shapes.map(cut, image, "tiles")[1] for image in images])[
                which, tile
            ]
            held = which * len(cut.tiles) + tile
            if choice.order == "coefficient_outer":
                held = held + k * len(cut.tiles) * len(images)
        found = np.zeros(k.size, np.int64)
        at = np.flatnonzero(some)
        fresh = at[np.append(True, held[at][1:] != held[at][:-1])[: at.size]]
        found[fresh] = sizes[fresh]
        return found

    def _sum(self, number: int, parts: Sequence[Ordered]) -> Timed:
        """The steps of all parts one after the other, with their coefficients."""
        key = np.concatenate([part.k_tile * self.problem.passes + part.pass_ for part in parts])
        fresh = np.ones(key.size, bool)
        fresh[1:] &= key[1:] != key[:-1]
        fresh[2:] &= key[2:] != key[:-2]
        coefficients = self.coefficients.ravel()[key] * fresh
        basis = np.zeros(key.size, np.int64)
        basis[0] = self.basis
        inputs = np.concatenate([part.input for part in parts])
        outputs = np.concatenate([part.output for part in parts])
        lengths = np.concatenate([part.lengths for part in parts])
        asked = StepBytes(coefficients, basis, inputs, outputs)
        cycles = finish(Traffic(asked.load, outputs, lengths), self.problem.spec)
        size = int(asked.load.sum() + outputs.sum())
        return Timed(cycles, size, number, tuple(parts), asked)
