"""The steps of a layer in a named order, and what each asks of the DRAM.

Rules: specification/basis_first_memory.md, BF-47 to BF-51.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from arch.basis_first.layout import bursts
from arch.basis_first.modes import KTile, Pass
from arch.basis_first.tiling import (
    Tile,
    TilingProblem,
    coefficient_outer_tiles,
    grid,
    input_outer_tiles,
    why_infeasible,
)
from arch.errors import OperandError
from arch.memory import burst_bytes
from workloads import formats
from workloads.tensors import LayerTensors


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One pass of one k-tile over one tile, or over one row group of it.

    ``rows`` are the input rows broadcast, ``completed`` the output rows finished (start, stop);
    ``last`` marks the last step of the (k-tile, image, tile).
    """

    k_tile: int
    pass_: int
    image: int
    tile: Tile
    rows: np.ndarray
    completed: tuple[int, int]
    last: bool

    @property
    def broadcast_pixels(self) -> int:
        """Pixels broadcast in the step."""
        return int(self.rows.size) * int(self.tile.columns.needed.size)


@dataclass(frozen=True, slots=True, eq=False)
class StepBytes:
    """What every step asks of the DRAM, in whole bursts: int64 (steps,) each."""

    coefficient: np.ndarray
    basis: np.ndarray
    input: np.ndarray
    output: np.ndarray

    @property
    def load(self) -> np.ndarray:
        """The one load request of every step."""
        found: np.ndarray = self.coefficient + self.basis + self.input
        return found

    def total(self, tensor: str) -> int:
        """Bytes of one tensor in all steps."""
        return int(getattr(self, tensor).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All steps of a layer in one loop order."""

    order: str
    tile_height: int
    tile_width: int
    tiles: int
    steps: tuple[Step, ...]
    bytes: StepBytes

    @property
    def dram_bytes(self) -> int:
        """Bytes of all requests."""
        return int(self.bytes.load.sum()) + self.bytes.total("output")

    @property
    def broadcast_pixels(self) -> int:
        """Pixels broadcast in all steps."""
        return sum(step.broadcast_pixels for step in self.steps)


def coefficient_bytes(tensors: LayerTensors, lengths: np.ndarray, part: Pass) -> int:
    """Stored size of the coefficients of one (k-tile, pass), before burst rounding.

    Bitmap and sign bits, or what another storage format makes of them, and a byte for the alpha of
    every slice; in bypass a byte per weight.  ``lengths`` are the non-zero coefficients of every
    sum, as ``Work`` holds them.
    """
    slots = part.assigned.size
    if tensors.coefficients is None:
        return slots * tensors.layer.R * tensors.layer.S
    low, high = part.tile
    if tensors.coding == "bitmap":  # counted, because encoding takes longer
        size = -(-(slots * (high - low) + int(part.of_sums(lengths).sum())) // 8)
    else:
        rows = part.of_coefficients(tensors.coefficients)
        size = formats.get(tensors.coding).encode(rows).size
    return size + (0 if tensors.alpha is None else slots)


def _input_edges(problem: TilingProblem, tile: Tile, image: int) -> tuple[np.ndarray, np.ndarray]:
    """Bytes before and behind each needed row, so that a run's bytes are a difference."""
    rows, stored = tile.needed_rows, problem.images[image]
    if tile.full_width:
        before = stored.rows.sum(axis=0)
        return before[rows], before[rows + 1]
    each = tile.row_bytes(stored, rows)
    behind = np.cumsum(each)
    return behind - each, behind


def _row_groups(
    problem: TilingProblem, tile: Tile, k_tile: int, image: int, last_pass: bool
) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """Consecutive needed rows that fit, with the output rows each group completes."""
    needed, top = tile.needed_rows, tile.box[0]
    if needed.size == 0:
        yield needed, (top, tile.box[1] if last_pass else top)
        return
    half_in, half_out = problem.spec.input_glb_bytes // 2, problem.spec.output_glb_bytes // 2
    before, behind = _input_edges(problem, tile, image)
    # Output rows complete once each needed row was broadcast, and their bytes.
    done = np.searchsorted(tile.completion, needed, side="right")
    done[-1] = tile.box[1] - top
    stored = np.append(0, np.cumsum(tile.output_row_bytes(problem.outputs[k_tile][image])))
    at = finished = 0
    while at < needed.size:
        stop = np.searchsorted(behind, before[at] + half_in, side="right")
        if last_pass:
            limit = stored[finished] + half_out
            stop = min(stop, np.searchsorted(stored[done], limit, side="right"))
        stop = max(int(stop), at + 1)
        now = int(done[stop - 1]) if last_pass else finished
        yield needed[at:stop], (top + finished, top + now)
        at, finished = stop, now


def _coefficient_outer(problem: TilingProblem, tiles: tuple[Tile, ...]) -> Iterator[Step]:
    passes = problem.passes
    for k in range(len(problem.k_tiles)):
        for image in range(len(problem.images)):
            for tile in tiles:
                for number in range(passes):
                    final = number == passes - 1
                    groups = list(_row_groups(problem, tile, k, image, final))
                    for at, (rows, completed) in enumerate(groups):
                        last = final and at == len(groups) - 1
                        yield Step(k, number, image, tile, rows, completed, last)


def _input_outer(problem: TilingProblem, tiles: tuple[Tile, ...]) -> Iterator[Step]:
    passes = problem.passes
    for image in range(len(problem.images)):
        for tile in tiles:
            for k in range(len(problem.k_tiles)):
                for number in range(passes):
                    last = number == passes - 1
                    completed = (tile.box[0], tile.box[1] if last else tile.box[0])
                    yield Step(k, number, image, tile, tile.needed_rows, completed, last)


def stored_coefficients(problem: TilingProblem, tensors: LayerTensors) -> np.ndarray:
    """Stored bytes of every (k-tile, pass), before burst rounding: int64 (k-tiles, passes)."""
    return np.array(
        [
            [coefficient_bytes(tensors, problem.lengths, part) for part in k_tile.passes]
            for k_tile in problem.k_tiles
        ]
    )


def _input_loads(problem: TilingProblem, steps: list[Step], order: str) -> list[int]:
    """Bytes each step fetches of the input: nothing where it is on chip already."""
    half, burst = problem.spec.input_glb_bytes // 2, problem.spec.dram_burst_bytes
    whole = [image.whole() for image in problem.images]
    fits = [int(runs.sum()) <= half for runs in whole]

    @cache
    def fetched(tile: Tile, image: int, first: int, last: int) -> tuple[int, int]:
        """Bytes of the tile's runs from one needed row to another, exactly and in bursts."""
        rows = tile.needed_rows
        chosen = rows[np.searchsorted(rows, first) : np.searchsorted(rows, last) + 1]
        runs = tile.runs(problem.images[image], chosen)
        return int(runs.sum()), bursts(runs, burst)

    held: tuple[object, ...] | None = None
    loads = []
    for step in steps:
        if step.rows.size == 0:
            loads.append(0)
            continue
        rows = step.tile.needed_rows
        exact, size = fetched(step.tile, step.image, int(rows[0]), int(rows[-1]))
        wanted: tuple[object, ...] | None = None
        if fits[step.image]:
            wanted, size = ("image", step.image), bursts(whole[step.image], burst)
        elif exact <= half:
            owner = step.k_tile if order == "coefficient_outer" else -1
            wanted = ("tile", owner, step.image, step.tile.box)
        else:
            _, size = fetched(step.tile, step.image, int(step.rows[0]), int(step.rows[-1]))
        loads.append(0 if wanted is not None and wanted == held else size)
        held = wanted
    return loads


def _bytes(
    problem: TilingProblem, tensors: LayerTensors, steps: list[Step], order: str
) -> StepBytes:
    """The DRAM bytes of every step."""
    burst = problem.spec.dram_burst_bytes
    around = problem.around
    sizes = burst_bytes(stored_coefficients(problem, tensors), problem.spec)
    found = np.zeros((3, len(steps)), np.int64)
    coefficient, basis, output = found
    if tensors.basis is not None:
        basis[0] = burst_bytes(tensors.basis.size, problem.spec)
    held: list[tuple[int, int]] = []
    for number, step in enumerate(steps):
        key = (step.k_tile, step.pass_)
        coefficient[number] = 0 if key in held else sizes[key]
        if around.stored and step.completed[0] < step.completed[1]:
            runs = step.tile.output_runs(
                problem.outputs[step.k_tile][step.image], np.arange(*step.completed)
            )
            output[number] = bursts(runs, burst)
        held = [*held[-1:], key]
    if around.input_on_chip:
        return StepBytes(coefficient, basis, np.zeros_like(basis), output)
    inputs = np.array(_input_loads(problem, steps, order), np.int64)
    return StepBytes(coefficient, basis, inputs, output)


def _plan(problem: TilingProblem, tensors: LayerTensors, order: str) -> Plan | None:
    """The layer in one loop order, or None where the buffers do not allow it."""
    outer = order == "coefficient_outer"
    size = coefficient_outer_tiles(problem) if outer else input_outer_tiles(problem)
    if size is None:
        return None
    tiles = tuple(grid(problem.layer, *size))
    steps = list((_coefficient_outer if outer else _input_outer)(problem, tiles))
    return Plan(order, *size, len(tiles), tuple(steps), _bytes(problem, tensors, steps, order))


def plan(problem: TilingProblem, tensors: LayerTensors) -> Plan:
    """The steps in the order that the spec names.

    Raises
    ------
    OperandError
        If no permitted order is feasible; names layer, buffer and bytes.
    """
    found = _plan(problem, tensors, problem.spec.loop_order)
    if found is None:
        raise OperandError(f"{problem.layer.name}: {why_infeasible(problem)}")
    return found


def streams(tensors: LayerTensors, k_tiles: tuple[KTile, ...]) -> int:
    """Psums that a block keeps per output position."""
    widest = max(part.slices for k_tile in k_tiles for part in k_tile.passes)
    if tensors.mode == "pointwise":
        return widest if len(k_tiles[0].passes) > 1 else 0
    return widest if tensors.mode == "bypass" and tensors.layer.is_depthwise else 1
