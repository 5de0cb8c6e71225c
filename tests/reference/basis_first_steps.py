"""The steps of a layer in one order of loops, and their traffic.

Rules: specification/basis_first_memory.md, BF-40 to BF-52.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.reference.basis_first_machine import ceil_div
from tests.reference.basis_first_tiles import (
    Sizes,
    Tile,
    coefficient_outer_tile,
    grid,
    input_outer_tile,
    row_groups,
)
from tests.reference.basis_first_work import KTile, Pass
from workloads.tensors import LayerTensors


@dataclass(eq=False)
class Step:
    """One pass of one k-tile over one tile, or over one row group of it; bytes in bursts."""

    image: int
    tile: Tile
    work: Pass
    rows: list[int]
    completed: list[int]  # output rows
    last: bool  # of its (k-tile, tile)
    coefficient_bytes: int = 0
    basis_bytes: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    compressed_output_bytes: int = 0

    @property
    def pixels(self) -> list[tuple[int, int]]:
        """Broadcast pixels (y, x), raster order."""
        columns = self.tile.columns
        return [(y, x) for y in self.rows for x in columns]

    @property
    def load_bytes(self) -> int:
        """L(n)."""
        return self.coefficient_bytes + self.basis_bytes + self.input_bytes


@dataclass(frozen=True)
class Fused:
    """What layer_fusion asks of a layer (BF-65): its input is on chip, its output shall stay.

    ``stored``: the output goes to DRAM all the same, because a later layer reads it too.
    """

    on_chip: bool = False
    stays: bool = False
    stored: bool = True

    def takes(self, sizes: Sizes) -> bool:
        """The input of all images lies in one GLB half."""
        images = range(sizes.images)
        return self.on_chip and sizes.input_fits(
            [size for image in images for size in sizes.source.whole(image)]
        )

    def keeps(self, sizes: Sizes) -> bool:
        """The output of all images fits one GLB half."""
        total = sum(int(plane.sum()) for plane in sizes.sink.planes)
        return self.stays and 2 * total <= sizes.machine.output_glb_bytes


ALONE = Fused()


@dataclass(eq=False)
class Plan:
    """All steps of a layer in one order."""

    order: str
    tile: tuple[int, int]
    tiles: int  # of one image
    steps: list[Step]

    @property
    def dram_bytes(self) -> int:
        """All that moves, in bursts, row pointers excluded."""
        return sum(step.load_bytes + step.output_bytes for step in self.steps)

    @property
    def broadcast_pixels(self) -> int:
        """Pixels over all steps."""
        return sum(len(step.pixels) for step in self.steps)


def plan(
    order: str, tensors: LayerTensors, k_tiles: list[KTile], sizes: Sizes, fused: Fused = ALONE
) -> Plan:
    """The steps of one order with their traffic; raises ReferenceInfeasible."""
    choose = coefficient_outer_tile if order == "coefficient_outer" else input_outer_tile
    p_t, q_t = choose(sizes)
    tiles = grid(tensors.layer, p_t, q_t)
    walk = _coefficient_outer if order == "coefficient_outer" else _input_outer
    steps = list(walk(tiles, k_tiles, sizes))
    charge_coefficients(steps, tensors, sizes)
    if not fused.takes(sizes):
        _charge_input(steps, order, sizes)
    for step in steps:
        stored = sizes.sink.runs(step.image, step.work.k_tile, step.tile, step.completed)
        step.compressed_output_bytes = sum(stored)
        if not fused.keeps(sizes) or fused.stored:
            step.output_bytes = in_bursts(stored, sizes)
    return Plan(order, (p_t, q_t), len(tiles), steps)


def in_bursts(runs: list[int], sizes: Sizes) -> int:
    """Bytes moved for some runs: each in whole bursts."""
    burst = sizes.machine.dram_burst_bytes
    return sum(ceil_div(run, burst) * burst for run in runs)


def _input_outer(tiles: list[Tile], k_tiles: list[KTile], sizes: Sizes) -> Iterator[Step]:
    for image in range(sizes.images):
        for tile in tiles:
            for k_tile in k_tiles:
                for work in k_tile.passes:
                    done = list(range(tile.p0, tile.p1)) if work.last else []
                    yield Step(image, tile, work, tile.rows, done, work.last)


def _coefficient_outer(tiles: list[Tile], k_tiles: list[KTile], sizes: Sizes) -> Iterator[Step]:
    for k_tile in k_tiles:
        for image in range(sizes.images):
            for tile in tiles:
                for work in k_tile.passes:
                    groups = list(row_groups(sizes, image, tile, work.k_tile, work.last))
                    for i, (rows, done) in enumerate(groups):
                        last = work.last and i == len(groups) - 1
                        yield Step(image, tile, work, rows, done, last)


def charge_coefficients(steps: list[Step], tensors: LayerTensors, sizes: Sizes) -> None:
    """Coefficients unless one of the two steps before used the same; the basis once."""
    for n, step in enumerate(steps):
        if all(before.work is not step.work for before in steps[max(0, n - 2) : n]):
            step.coefficient_bytes = in_bursts([step.work.coefficient_bytes], sizes)
    if tensors.mode == "decomposed":
        assert tensors.basis is not None
        steps[0].basis_bytes = in_bursts([tensors.basis.size], sizes)


def _charge_input(steps: list[Step], order: str, sizes: Sizes) -> None:
    """The whole image, a tile or a row group's rows, unless already on chip."""
    on_chip: object = None
    for step in steps:
        if not step.pixels:
            continue
        whole = sizes.source.whole(step.image)
        tile = sizes.source.runs(step.image, step.tile, step.tile.rows)
        wanted: object
        if sizes.input_fits(whole):
            wanted, runs = step.image, whole
        elif sizes.input_fits(tile):
            k_tile = step.work.k_tile if order == "coefficient_outer" else None
            wanted, runs = (step.image, step.tile, k_tile), tile
        else:
            wanted, runs = step, sizes.source.runs(step.image, step.tile, step.rows)
        if wanted != on_chip:
            step.input_bytes = in_bursts(runs, sizes)
        on_chip = wanted
