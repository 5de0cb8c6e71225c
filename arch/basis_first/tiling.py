"""The P_t x Q_t grid of tiles that the buffers allow, for both named orders.

Rules: specification/basis_first_memory.md, BF-44 to BF-52.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from arch.basis_first.layout import StoredTensor
from arch.basis_first.mac_row import Axis, tile_axes
from arch.basis_first.modes import KTile
from arch.basis_first.spec import BasisFirstSpec
from arch.machine import Neighbours
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One spatial tile: outputs p0..p1-1 x q0..q1-1 and the input positions that feed them."""

    box: tuple[int, int, int, int]
    rows: Axis
    columns: Axis
    full_width: bool

    @property
    def needed_rows(self) -> np.ndarray:
        """Input rows with at least one broadcast pixel."""
        return self.rows.needed if self.columns.needed.size else np.empty(0, np.int64)

    @property
    def completion(self) -> np.ndarray:
        """Input row whose broadcast completes each output row, -1 for none (BF-46)."""
        if not self.columns.needed.size:
            return np.full(self.rows.last.size, -1)
        return np.maximum.accumulate(self.rows.last)

    @property
    def width(self) -> int:
        """Output columns."""
        return self.box[3] - self.box[2]

    def runs(self, image: StoredTensor, rows: np.ndarray) -> np.ndarray:
        """Bytes of the runs that fetch ``rows``, ascending input rows that feed the tile."""
        if rows.size == 0:
            return np.empty(0, np.int64)
        if self.full_width:
            return image.full_width(int(rows[0]), int(rows[-1]))
        columns = self.columns.needed
        return image.strip(rows, int(columns[0]), int(columns[-1])).ravel()

    def row_bytes(self, image: StoredTensor, rows: np.ndarray) -> np.ndarray:
        """Bytes that fetching each of ``rows`` alone would take, int64 (rows,)."""
        if self.full_width or rows.size == 0:
            each: np.ndarray = (image.rows[:, rows + 1] - image.rows[:, rows]).sum(axis=0)
            return each
        columns = self.columns.needed
        strips: np.ndarray = image.strip(rows, int(columns[0]), int(columns[-1])).sum(axis=0)
        return strips

    def output_row_bytes(self, plane: StoredTensor) -> np.ndarray:
        """Stored bytes of each of the tile's output rows, int64 (rows,)."""
        rows = np.arange(self.box[0], self.box[1])
        each: np.ndarray = plane.strip(rows, self.box[2], self.box[3] - 1).sum(axis=0)
        return each

    def output_runs(self, plane: StoredTensor, rows: np.ndarray) -> np.ndarray:
        """Bytes of the runs that store output ``rows`` (ascending) of the tile's columns."""
        if rows.size == 0:
            return np.empty(0, np.int64)
        if self.full_width:
            return plane.full_width(int(rows[0]), int(rows[-1]))
        return plane.strip(rows, self.box[2], self.box[3] - 1).ravel()


def grid(layer: ConvLayer, height: int, width: int) -> Iterator[Tile]:
    """Tiles of ``height`` x ``width`` outputs, row by row; the last of a row may be smaller."""

    for p in range(0, layer.P, height):
        for q in range(0, layer.Q, width):
            box = (p, min(p + height, layer.P), q, min(q + width, layer.Q))
            yield Tile(box, *tile_axes(layer, box), width >= layer.Q)


@dataclass(frozen=True, slots=True, eq=False)
class TilingProblem:
    """What the choice of tiles depends on."""

    layer: ConvLayer
    spec: BasisFirstSpec
    k_tiles: tuple[KTile, ...]
    images: tuple[StoredTensor, ...]
    outputs: tuple[tuple[StoredTensor, ...], ...]  # per k-tile, per image
    streams: int
    lengths: np.ndarray  # as in Work
    around: Neighbours  # what became of the offers: ``stored`` is whether any output is written

    @property
    def passes(self) -> int:
        """Passes of a k-tile."""
        return len(self.k_tiles[0].passes)

    def psum_bytes(self, height: int, width: int) -> int:
        """Psums per block for a tile of that size."""
        most = -(-self.layer.reach[0] // self.layer.strides[0])
        rows = height if self.passes > 1 else min(most, height)
        return self.streams * rows * width * self.spec.psum_bits // 8

    def psums_fit(self, height: int, width: int) -> bool:
        """The psum buffer holds such a tile."""
        return self.psum_bytes(height, width) <= self.spec.psum_buffer_bytes

    def row_fits(self, width: int) -> bool:
        """Every input row's run of every strip fits half the input buffer."""
        half = self.spec.input_glb_bytes // 2
        return all(
            int(tile.row_bytes(image, tile.needed_rows).max(initial=0)) <= half
            for tile in grid(self.layer, self.layer.P, width)
            for image in self.images
        )

    def tile_fits(self, tile: Tile) -> bool:
        """The tile's input fits half the input buffer, its output half the output buffer."""
        half_in, half_out = self.spec.input_glb_bytes // 2, self.spec.output_glb_bytes // 2
        rows = np.arange(tile.box[0], tile.box[1])
        for n, image in enumerate(self.images):
            if int(tile.runs(image, tile.needed_rows).sum()) > half_in:
                return False
            for planes in self.outputs:
                if int(tile.output_runs(planes[n], rows).sum()) > half_out:
                    return False
        return True


def _largest(limit: int, fits: Callable[[int], bool]) -> int | None:
    """The largest 1..limit that fits, or None."""
    return next((size for size in range(limit, 0, -1) if fits(size)), None)


def coefficient_outer_tiles(problem: TilingProblem) -> tuple[int, int] | None:
    """P_t, Q_t of coefficient outer (BF-48), or None where nothing fits."""
    layer = problem.layer
    width = _largest(layer.Q, problem.row_fits)
    if width is None:
        return None
    if problem.passes > 1:
        height = _largest(layer.P, lambda p: problem.psums_fit(p, width))
        if height is not None:
            return height, width
    height = 1 if problem.passes > 1 else layer.P
    narrow = _largest(width, lambda q: problem.psums_fit(height, q) and problem.row_fits(q))
    return None if narrow is None else (height, narrow)


def input_outer_tiles(problem: TilingProblem) -> tuple[int, int] | None:
    """P_t, Q_t of input outer: the tallest full-width tile, else the widest single-row strip."""

    def fits(height: int, width: int) -> bool:
        return problem.psums_fit(height, width) and all(
            problem.tile_fits(tile) for tile in grid(problem.layer, height, width)
        )

    height = _largest(problem.layer.P, lambda p: fits(p, problem.layer.Q))
    if height is not None:
        return height, problem.layer.Q
    width = _largest(problem.layer.Q, lambda q: fits(1, q))
    return None if width is None else (1, width)


def why_infeasible(problem: TilingProblem) -> str:
    """Names the buffer that cannot hold the smallest tile of any permitted order, and the bytes."""
    spec, layer = problem.spec, problem.layer
    whole_columns = spec.loop_order == "coefficient_outer" and problem.passes == 1
    psums = problem.psum_bytes(layer.P if whole_columns else 1, 1)
    if psums > spec.psum_buffer_bytes:
        return (
            f"one output column needs {psums} B of psums, "
            f"psum_buffer_bytes is {spec.psum_buffer_bytes}"
        )
    one_row = spec.loop_order != "input_outer"
    need = max(_input_needs(problem, one_row), default=0)
    if need > spec.input_glb_bytes // 2:
        what = "one input row of one output column" if one_row else "one output"
        return (
            f"{what} needs {need} B in half the input buffer, "
            f"input_glb_bytes is {spec.input_glb_bytes}"
        )
    return (
        "one output pixel does not fit half the output buffer, "
        f"output_glb_bytes is {spec.output_glb_bytes}"
    )


def _input_needs(problem: TilingProblem, one_row: bool) -> Iterator[int]:
    """Input bytes of the smallest tiles: row by row, or all rows of one output at once."""
    height = problem.layer.P if one_row else 1
    for tile in grid(problem.layer, height, 1):
        rows = tile.needed_rows
        for image in problem.images:
            if one_row:
                yield int(tile.row_bytes(image, rows).max(initial=0))
            else:
                yield int(tile.runs(image, rows).sum())
