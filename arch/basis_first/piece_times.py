"""Cycles of the pieces of a cut, each timed once, and the work of their MAC rows."""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from arch.basis_first.cuts import Cut
from arch.basis_first.recurrence import BLOCKS, compute_cycles, count_columns
from arch.basis_first.step_inputs import pass_table
from arch.basis_first.tiling import TilingProblem, grid
from arch.basis_first.work import Work
from workloads.tensors import LayerTensors


class Passes(NamedTuple):
    """What the kernels need of the passes.

    parts, transfer : as in ``recurrence.compute_cycles``
    first, alike : int64, a pass of every kind, and the kind of every pass
    longest : cycles that no step exceeds
    """

    parts: np.ndarray
    first: np.ndarray
    alike: np.ndarray
    transfer: np.ndarray
    longest: int


def passes(problem: TilingProblem, tensors: LayerTensors, found: Work) -> Passes:
    """The passes of a layer; they depend on the broadcast, but not on FIFOs and MAC rows."""
    spec, layer = problem.spec, problem.layer
    parts, _, vector = pass_table(tensors, spec, problem.k_tiles)
    _, first, alike = np.unique(parts, axis=0, return_index=True, return_inverse=True)
    transfer = -(-vector // spec.broadcast_bytes_per_cycle)
    slowest = int(found.code.max(initial=0)) // 2 + layer.R * layer.S + 1
    longest = (slowest + int(transfer.max(initial=0))) * layer.H * layer.W
    return Passes(parts, first, alike.ravel(), transfer, longest)


class MacWork:
    """What the MAC rows of a layer have to do in column strips of any width."""

    def __init__(
        self, problem: TilingProblem, tensors: LayerTensors, found: Work, these: Passes
    ) -> None:
        self.problem, self.tensors, self.found, self.passes = problem, tensors, found, these
        self._strips: dict[tuple[int, int], int] = {}

    @cached_property
    def _columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Of every pass, image, column and block: kernel rows of V that are not zero, and zeros."""
        parts, first, alike, _, _ = self.passes
        layer, count = self.problem.layer, len(self.problem.images)
        rows = next(grid(layer, layer.P, layer.Q)).rows
        size = (2, first.size, count, layer.W, int(parts[:, BLOCKS].max()))
        kernels, zeros = np.zeros(size, np.int64)
        taps = np.minimum(rows.taps, 1 if self.tensors.mode == "pointwise" else layer.R)
        code = self.found.code
        count_columns(first, parts, code, layer.H, taps, rows.needed, kernels, zeros)
        return kernels[alike], zeros[alike]

    def cycles(self, width: int, image: int) -> int:
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


class PieceTimes:
    """Compute cycles of pieces."""

    def __init__(
        self, problem: TilingProblem, tensors: LayerTensors, found: Work, these: Passes
    ) -> None:
        self.problem, self.tensors, self.found, self.passes = problem, tensors, found, these
        self._times: dict[tuple[tuple[int, int, int], int], np.ndarray] = {}

    def of(self, cut: Cut, image: int) -> np.ndarray:
        """Compute cycles of every piece: int64 (k-tiles, passes, pieces)."""
        key = (cut.height, cut.width, cut.rows), image
        if key not in self._times:
            self._times[key] = self._timed(cut, image)
        return self._times[key]

    def _timed(self, cut: Cut, image: int) -> np.ndarray:
        parts, first, alike, transfer, longest = self.passes
        kind = np.int32 if longest < 1 << 31 else np.int64
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
