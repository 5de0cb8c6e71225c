"""What plans of a layer cost at least, and the parts of which their exact costs are made.

All bounds hold for any tensors.  Splitting a step only adds barriers, so steps of whole rows take
at least as long together as the plane in one step; column strips take at least the MAC cycles of
the busiest block.  And all bytes must cross the DRAM bus.

Rule: specification/basis_first_memory.md, BF-60.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from arch.basis_first.auto import choices
from arch.basis_first.cuts import Cut, cut_points
from arch.basis_first.recurrence import BLOCKS, compute_cycles, count_columns
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.step_inputs import pass_table
from arch.basis_first.steps import stored_coefficients
from arch.basis_first.tiling import Tile, TilingProblem, grid
from arch.basis_first.work import Work
from arch.memory import burst_bytes
from workloads.tensors import LayerTensors

SAFE = 1 - 1e-9  # keeps a bound in floats below the exact number


def _transfer(size: np.ndarray, spec: BasisFirstSpec) -> np.ndarray:
    """Cycles that so many bytes are on the bus at least, from below."""
    each: np.ndarray = np.floor(size * (spec.clock_hz / spec.dram_bandwidth_bytes_per_s * SAFE))
    return each.astype(np.int64)


class PlanCosts:
    """One layer: bounds of its plans, and pieces that are timed once."""

    def __init__(self, problem: TilingProblem, tensors: LayerTensors, found: Work) -> None:
        self.problem, self.tensors, self.found = problem, tensors, found
        self.choices = tuple(choices(problem))
        self._cuts: dict[tuple[int, int, int], Cut] = {}
        self._times: dict[tuple[tuple[int, int, int], int], np.ndarray] = {}
        self._cut_points: dict[object, np.ndarray] = {}
        self._strips: dict[tuple[int, int], int] = {}
        self._maps: dict[object, tuple[np.ndarray, np.ndarray]] = {}
        stored = stored_coefficients(problem, tensors)
        burst = problem.spec.dram_burst_bytes
        self.coefficients = -(-stored // burst) * burst
        self.bitmaps = int(stored.sum()) if tensors.coding == "bitmap" else 0
        self.basis = 0 if tensors.basis is None else burst_bytes(tensors.basis.size, problem.spec)

    def least(self, passes: int) -> int:
        """Cycles that a plan takes at least which cuts the same sums into so many passes in all.

        What is not zero is not zero in one of its parts, and every pixel of the others takes a
        cycle as well.
        """
        layer, images = self.problem.layer, len(self.problem.images)
        more = passes - len(self.problem.k_tiles) * self.problem.passes
        tile = next(grid(layer, layer.P, layer.Q))
        pixels = tile.needed_rows.size * tile.columns.needed.size
        each = pixels + self.problem.spec.pipeline_cycles
        busy = sum(self._macs(layer.Q, image) for image in range(images)) + more * images * each
        size = self.basis + self.bitmaps
        requests = passes
        if self.problem.around.stored:
            requests += len(self.problem.k_tiles) * images
            size += sum(self._stored)
        if not self.problem.around.input_on_chip:
            size += sum(self._read)
        bus = requests * self.problem.spec.dram_latency_cycles
        return max(busy, bus + int(_transfer(np.array(size), self.problem.spec)))

    def _cut(self, key: tuple[int, int, int]) -> Cut:
        """The cut of that tile height, width and rows of a piece, made once."""
        if key not in self._cuts:
            self._cuts[key] = Cut(self.problem, *key)
        return self._cuts[key]

    @cached_property
    def _inputs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, type]:
        """What the kernel needs besides the rows: passes, which of them are alike, broadcasts."""
        spec = self.problem.spec
        parts, _, vector = pass_table(self.tensors, spec, self.problem.k_tiles)
        _, first, alike = np.unique(parts, axis=0, return_index=True, return_inverse=True)
        transfer = -(-vector // spec.broadcast_bytes_per_cycle)
        layer = self.tensors.layer
        slowest = int(self.found.code.max(initial=0)) // 2 + layer.R * layer.S + 1
        longest = (slowest + int(transfer.max(initial=0))) * layer.H * layer.W
        kind = np.int32 if longest < 1 << 31 else np.int64
        return parts, first, alike.ravel(), transfer, kind

    def times(self, cut: Cut, image: int) -> np.ndarray:
        """Compute cycles of every piece: int64 (k-tiles, passes, pieces)."""
        key = (cut.height, cut.width, cut.rows), image
        if key not in self._times:
            self._times[key] = self._timed(cut, image)
        return self._times[key]

    @cached_property
    def _columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Of every pass, image, column and block: kernel rows of V that are not zero, and zeros."""
        parts, first, alike, _, _ = self._inputs
        layer, count = self.problem.layer, len(self.problem.images)
        rows = next(grid(layer, layer.P, layer.Q)).rows
        found = np.zeros((2, first.size, count, layer.W, int(parts[:, BLOCKS].max())), np.int64)
        taps = rows.taps if self.tensors.mode != "pointwise" else np.minimum(rows.taps, 1)
        count_columns(first, parts, self.found.code, layer.H, taps, rows.needed, *found)
        return found[0][alike], found[1][alike]

    def _macs(self, width: int, image: int) -> int:
        """MAC cycles of the busiest blocks with strips of ``width`` outputs."""
        if (width, image) not in self._strips:
            layer, spec, total = self.problem.layer, self.problem.spec, 0
            kernels, zeros = (each[:, image] for each in self._columns)
            for tile in grid(layer, layer.P, width):
                at = tile.columns.needed
                cycles = -(-tile.columns.taps[at] // spec.mac_row_width)
                if self.tensors.mode == "pointwise":
                    cycles = np.minimum(cycles, 1)
                busy = (kernels[:, at] * cycles[:, None] + zeros[:, at]).sum(axis=1)
                total += int(busy.max(axis=1).sum())
            self._strips[width, image] = total
        return self._strips[width, image]

    def _timed(self, cut: Cut, image: int) -> np.ndarray:
        parts, first, alike, transfer, kind = self._inputs
        layer, spec, pieces = self.problem.layer, self.problem.spec, cut.pieces
        rows = [piece for _, piece in pieces]
        columns = [cut.tiles[tile].columns.needed for tile, _ in pieces]
        taps = [
            cut.tiles[tile].columns.taps[at] for (tile, _), at in zip(pieces, columns, strict=True)
        ]
        row_taps = [cut.tiles[tile].rows.taps[at] for tile, at in pieces]
        out = np.zeros(first.size * len(pieces), np.int64)
        compute_cycles(
            np.repeat(first, len(pieces)),
            np.full(len(out), image * layer.H * layer.W),
            np.tile(np.arange(len(pieces)), first.size),
            np.cumsum([0, *(at.size for at in rows)]),
            np.concatenate(rows),
            np.concatenate(row_taps),
            np.cumsum([0, *(at.size for at in columns)]),
            np.concatenate(columns),
            -(-np.concatenate(taps) // spec.mac_row_width),
            *(self.found.code, parts, transfer, layer.W, spec.intermediate_fifo),
            *(int(self.tensors.mode != "pointwise"), np.zeros(1, kind), out),
        )
        each = out.reshape(first.size, len(pieces))[alike]
        return each.reshape(len(self.problem.k_tiles), self.problem.passes, len(pieces))

    def _map(self, cut: Cut, image: int, what: str) -> tuple[np.ndarray, np.ndarray]:
        """Bytes, exactly and in bursts, of ``pieces``, ``tiles`` or ``outputs`` of one image."""
        key = (cut.height, cut.width, cut.rows, image, what)
        if key not in self._maps:
            if what == "outputs":
                planes = (of[image] for of in self.problem.outputs)
                each = [cut.outputs(plane) for plane in planes]
                self._maps[key] = np.stack([e for e, _ in each]), np.stack([b for _, b in each])
            else:
                stored = self.problem.images[image]
                self._maps[key] = cut.inputs(stored, whole_tiles=what == "tiles")
        return self._maps[key]

    def _whole(self, image: int) -> tuple[int, int]:
        """Bytes of a whole image, exactly and in bursts."""
        runs, burst = self.problem.images[image].whole(), self.problem.spec.dram_burst_bytes
        return int(runs.sum()), int((-(-runs // burst) * burst).sum())

    @cached_property
    def _table(self) -> dict[str, np.ndarray]:
        """What the bounds need of every choice: arrays (choices,)."""
        layer, problem = self.problem.layer, self.problem
        set_ = self.choices
        height, width, _ = np.array([choice.key for choice in set_]).T
        held = np.array([choice.held for choice in set_])
        firsts = {h: next(grid(layer, h, layer.Q)) for h in set(height.tolist())}
        pieces, begin, end = np.zeros((3, len(set_)), np.int64)
        for n, choice in enumerate(set_):
            needed = firsts[choice.height].needed_rows
            if needed.size == 0:
                continue
            cuts = self._points(firsts[choice.height], choice.rows)
            pieces[n] = cuts.size if choice.height == layer.P else 0
            stop = int(cuts[0]) if cuts.size and choice.held == "none" else needed.size
            begin[n], end[n] = needed[0], needed[stop - 1] + 1
        down, across = -(-layer.P // height), -(-layer.Q // width)
        pieces = (pieces + 1) * down * across
        return {
            "width": width,
            "held": held,
            "outer": np.array([choice.order == "coefficient_outer" for choice in set_]),
            "down": down,
            "tiles": down * across,
            "pieces": pieces,
            "steps": pieces * len(problem.k_tiles) * problem.passes,
            "begin": begin,
            "end": end,
        }

    def _points(self, tile: Tile, rows: int) -> np.ndarray:
        """``cut_points``, each worked out once."""
        key = tile.box, rows
        if key not in self._cut_points:
            self._cut_points[key] = cut_points(tile, rows)
        return self._cut_points[key]

    def _bounds(self, images: Sequence[int]) -> np.ndarray:
        """Cycles that every choice takes at least."""
        found: np.ndarray = np.maximum(self._busy(images), self._on_the_bus(images))
        return found

    def _busy(self, images: Sequence[int]) -> np.ndarray:
        """The first load, all steps without a wait, and the last store."""
        problem, layer, spec, table = (
            self.problem,
            self.problem.layer,
            self.problem.spec,
            self._table,
        )
        whole = self._cut((layer.P, layer.Q, layer.P))
        by_width = {
            width: sum(self._macs(width, image) for image in images)
            for width in set(table["width"].tolist())
            if width < layer.Q
        }
        by_width[layer.Q] = sum(int(self.times(whole, image).sum()) for image in images)
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
        problem, spec, table = self.problem, self.problem.spec, self._table
        passes = len(problem.k_tiles) * problem.passes
        sets = np.where(table["outer"] | (passes <= 2), 1, len(images) * table["tiles"])
        size = self.basis + int(self.coefficients.sum()) * sets
        requests = passes * sets
        if problem.around.stored:
            size += sum(self._stored[image] for image in images)
            requests += len(problem.k_tiles) * len(images) * table["tiles"]
        if not problem.around.input_on_chip:
            fetched = sum(self._read[image] for image in images)
            streamed = table["held"] == "none"
            by_tile = (table["held"] == "tile") & table["outer"]
            size += fetched * np.where(streamed, passes, np.where(by_tile, len(problem.k_tiles), 1))
            if self._dense:
                requests += np.where(streamed, table["steps"] * len(images) - passes, 0)
        found: np.ndarray = requests * spec.dram_latency_cycles + _transfer(size, spec)
        return found

    @cached_property
    def _dense(self) -> bool:
        """Whether every output row and column reads some input."""
        layer = self.problem.layer
        tile = next(grid(layer, layer.P, layer.Q))
        return bool((tile.rows.last >= 0).all() and (tile.columns.last >= 0).all())

    @cached_property
    def _stored(self) -> list[int]:
        """Bytes of every image's output, before they are rounded up to bursts."""
        return [
            sum(int(planes[image].whole().sum()) for planes in self.problem.outputs)
            for image in range(len(self.problem.images))
        ]

    @cached_property
    def _read(self) -> list[int]:
        """Bytes of every image's needed pixels, before they are rounded up to bursts."""
        layer = self.problem.layer
        tile = next(grid(layer, layer.P, layer.Q))
        pixels = np.ix_(tile.needed_rows, tile.columns.needed)
        return [
            int(np.diff(image.columns, axis=2).sum(axis=0)[pixels].sum())
            for image in self.problem.images
        ]
