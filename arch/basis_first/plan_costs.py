"""What plans of a layer cost at least, and the parts of which their exact costs are made.

All bounds hold for any tensors.  Splitting a step only adds barriers, so steps of whole rows take
at least as long together as the plane in one step; column strips take at least the MAC cycles of
the busiest block.  And all bytes must cross the DRAM bus.

Rule: specification/basis_first_memory.md, BF-60.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from arch.basis_first.modes import Division
from arch.basis_first.piece_times import MacWork, PieceTimes
from arch.basis_first.shared import Shared
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.steps import stored_coefficients
from arch.basis_first.tiling import TilingProblem, grid
from arch.basis_first.work import Work
from arch.memory import burst_bytes
from workloads.tensors import LayerTensors

SAFE = 1 - 1e-9  # keeps a bound in floats below the exact number


def _transfer(size: np.ndarray, spec: BasisFirstSpec) -> np.ndarray:
    """Cycles that so many bytes are on the bus at least, from below."""
    each: np.ndarray = np.floor(size * (spec.clock_hz / spec.dram_bandwidth_bytes_per_s * SAFE))
    return each.astype(np.int64)


class PlanCosts:
    """One layer: bounds of its plans, and what their exact costs are made of."""

    def __init__(
        self,
        problem: TilingProblem,
        tensors: LayerTensors,
        found: Work,
        shared: Shared,
        division: Division,
    ) -> None:
        self.problem, self.tensors, self.division = problem, tensors, division
        self.shapes = shared.shapes(problem)
        self._work = lambda: shared.work(problem, tensors, found)
        self.choices = self.shapes.choices
        stored = stored_coefficients(problem, tensors)
        self.coefficients = burst_bytes(stored, problem.spec)
        self.bitmaps = int(stored.sum()) if tensors.coding == "bitmap" else 0
        self.basis = 0 if tensors.basis is None else burst_bytes(tensors.basis.size, problem.spec)

    @cached_property
    def macs(self) -> MacWork:
        """MAC cycles of strips."""
        return self._work()[0]

    @cached_property
    def times(self) -> PieceTimes:
        """Compute cycles of pieces."""
        return self._work()[1]

    def least(self, cut: Division) -> int:
        """Cycles that every plan takes at least whose channels are cut in another way.

        Every pixel takes a cycle in every pass.  Where a finer cut splits the passes of this one,
        what is not zero is not zero in one of its parts, so they take no fewer MAC cycles.
        """
        layer, images = self.problem.layer, len(self.problem.images)
        tile = next(grid(layer, layer.P, layer.Q))
        pixels = tile.needed_rows.size * tile.columns.needed.size
        each = pixels + self.problem.spec.pipeline_cycles
        busy = cut.passes * images * each
        if cut.refines(self.division):
            macs = sum(self.macs.cycles(layer.Q, image) for image in range(images))
            busy = macs + (cut.passes - self.division.passes) * images * each
        size = self.basis + self.bitmaps
        requests = cut.passes
        if self.problem.around.stored:
            requests += len(cut.spans) * images
            size += sum(self.shapes.stored)
        if not self.problem.around.input_on_chip:
            size += sum(self.shapes.read)
        bus = requests * self.problem.spec.dram_latency_cycles
        return max(busy, bus + int(_transfer(np.array(size), self.problem.spec)))

    def _busy(self, images: Sequence[int]) -> np.ndarray:
        """The first load, all steps without a wait, and the last store."""
        problem, layer, spec, table = (
            self.problem,
            self.problem.layer,
            self.problem.spec,
            self.shapes.table,
        )
        whole = self.shapes.cut((layer.P, layer.Q, layer.P))
        by_width = {
            width: sum(self.macs.cycles(width, image) for image in images)
            for width in set(table["width"].tolist())
            if width < layer.Q
        }
        by_width[layer.Q] = sum(int(self.times.of(whole, image).sum()) for image in images)
        busy = np.array([by_width[width] for width in table["width"].tolist()])
        busy += spec.pipeline_cycles * table["steps"] * len(images)
        if self.tensors.mode != "pointwise":
            busy += len(problem.k_tiles) * len(images) * layer.Q * table["down"]
        first = np.full(busy.size, int(self.coefficients[0, 0]) + self.basis)
        if not problem.around.input_on_chip:
            before = problem.images[images[0]].rows.sum(axis=0)
            loaded = before[table["end"]] - before[table["begin"]]
            loaded = np.where(table["held"] == "image", before[-1], loaded)
            first += np.where(table["width"] == layer.Q, loaded, 0)
        latency = spec.dram_latency_cycles
        begin = np.where(first > 0, latency + _transfer(first, spec), 0)
        found: np.ndarray = begin + busy + (latency + 1 if problem.around.stored else 0)
        return found

    def _on_the_bus(self, images: Sequence[int]) -> np.ndarray:
        """Cycles in which the DRAM serves requests."""
        problem, spec, table = self.problem, self.problem.spec, self.shapes.table
        passes = len(problem.k_tiles) * problem.passes
        sets = np.where(table["outer"] | (passes <= 2), 1, len(images) * table["tiles"])
        size = self.basis + int(self.coefficients.sum()) * sets
        requests, stores = passes * sets, np.zeros_like(sets)
        if problem.around.stored:
            size += sum(self.shapes.stored[image] for image in images)
            stores = len(problem.k_tiles) * len(images) * table["tiles"]
        if not problem.around.input_on_chip:
            fetched = sum(self.shapes.read[image] for image in images)
            streamed = table["held"] == "none"
            by_tile = table["held"] == "tile"
            again = np.where(by_tile & table["outer"], len(problem.k_tiles), 1)
            size += fetched * np.where(streamed, passes, again)
            if self.shapes.dense:
                tiles = again * table["tiles"] * by_tile
                inputs = np.where(streamed, table["steps"], tiles) * len(images)
                requests = np.maximum(requests, inputs)
        requests += stores
        found: np.ndarray = requests * spec.dram_latency_cycles + _transfer(size, spec)
        return found
