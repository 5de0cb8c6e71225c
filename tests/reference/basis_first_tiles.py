"""Spatial tiles, and what an order of loops needs of them.

Rules: specification/basis_first_memory.md, BF-44 to BF-52.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

import numpy as np

from tests.reference.basis_first_machine import ReferenceInfeasible, ceil_div, mask_bytes
from workloads.layer import ConvLayer
from workloads.requantize import Requantizer


def outputs_fed(
    position: int, size: int, kernel: int, before: int, stride: int, dilation: int
) -> list[int]:
    """Outputs along one axis that an input position contributes to, one per legal tap."""
    fed = []
    for tap in range(kernel):
        whole, rest = divmod(position + before - tap * dilation, stride)
        if rest == 0 and 0 <= whole < size:
            fed.append(whole)
    return fed


@dataclass(frozen=True)
class Tile:
    """Outputs p0..p1-1 x q0..q1-1, and the input rows and columns that feed any of them."""

    layer: ConvLayer
    p0: int
    p1: int
    q0: int
    q1: int

    @property
    def full_width(self) -> bool:
        """Not a strip."""
        return self.q1 - self.q0 == self.layer.Q

    def rows_fed(self, y: int) -> list[int]:
        """Output rows of the tile fed by input row y, one per kernel row with a legal tap."""
        layer = self.layer
        steps = layer.strides[0], layer.dilations[0]
        fed = outputs_fed(y, layer.P, layer.R, layer.padding[0], *steps)
        return [p for p in fed if self.p0 <= p < self.p1]

    def columns_fed(self, x: int) -> list[int]:
        """Output columns of the tile fed by input column x, one per legal tap."""
        layer = self.layer
        steps = layer.strides[1], layer.dilations[1]
        fed = outputs_fed(x, layer.Q, layer.S, layer.padding[2], *steps)
        return [q for q in fed if self.q0 <= q < self.q1]

    @cached_property
    def columns(self) -> list[int]:
        """Input columns broadcast for this tile (none if its rows feed nothing)."""
        if not any(self.rows_fed(y) for y in range(self.layer.H)):
            return []
        return [x for x in range(self.layer.W) if self.columns_fed(x)]

    @cached_property
    def rows(self) -> list[int]:
        """Input rows broadcast for this tile (none if its columns feed nothing)."""
        if not any(self.columns_fed(x) for x in range(self.layer.W)):
            return []
        return [y for y in range(self.layer.H) if self.rows_fed(y)]

    def completed_after(self) -> dict[int, int | None]:
        """For every output row, the input row after which it and all rows above are complete."""
        rows, latest = self.rows, None
        after: dict[int, int | None] = {}
        for p in range(self.p0, self.p1):
            feeding = [y for y in rows if p in self.rows_fed(y)]
            latest = max([y for y in (latest, *feeding) if y is not None], default=None)
            after[p] = latest
        return after


def grid(layer: ConvLayer, p_t: int, q_t: int) -> list[Tile]:
    """The tiles of an image, in raster order."""
    return [
        Tile(layer, p, min(p + p_t, layer.P), q, min(q + q_t, layer.Q))
        for p in range(0, layer.P, p_t)
        for q in range(0, layer.Q, q_t)
    ]


class InputStore:
    """The compressed input in DRAM: one plane per stored group of channels."""

    def __init__(self, activations: np.ndarray, planes: tuple[int, ...]) -> None:
        if sum(planes) != activations.shape[1] or min(planes) < 1:
            raise ReferenceInfeasible(f"input planes {planes} of {activations.shape[1]} channels")
        ends = np.cumsum(planes).tolist()
        self.planes = [
            mask_bytes(size) + (activations[:, end - size : end] != 0).sum(axis=1)
            for size, end in zip(planes, ends, strict=True)
        ]  # bytes of every pixel, (N, H, W) each

    def whole(self, image: int) -> list[int]:
        """Bytes of the runs that fetch all rows of an image."""
        return [int(plane[image].sum()) for plane in self.planes]

    def runs(self, image: int, tile: Tile, rows: list[int]) -> list[int]:
        """Bytes of the runs that fetch some input rows of a tile, before burst rounding."""
        columns = tile.columns
        if not rows or not columns:
            return []
        if tile.full_width:
            return [int(plane[image, rows[0] : rows[-1] + 1].sum()) for plane in self.planes]
        reach = slice(columns[0], columns[-1] + 1)
        return [int(plane[image, y, reach].sum()) for plane in self.planes for y in rows]


class OutputStore:
    """The compressed output in DRAM: one plane per k-tile."""

    def __init__(
        self, psums: np.ndarray, channels: list[list[int]], requantizer: Requantizer | None
    ) -> None:
        self.shift: int | None = None
        item_bytes = 1
        if requantizer is None:
            largest = max(0, int(psums.max()))
            self.shift = next(s for s in range(64) if largest >> s <= 255)
            outputs = np.maximum(psums, 0) >> self.shift
        else:
            outputs = requantizer.apply(psums)
            item_bytes = outputs.dtype.itemsize
        self.planes = [
            mask_bytes(len(tile)) + item_bytes * (outputs[:, tile] != 0).sum(axis=1)
            for tile in channels
        ]  # bytes of every pixel, (N, P, Q) each

    def runs(self, image: int, k_tile: int, tile: Tile, rows: list[int]) -> list[int]:
        """Bytes of the runs that store some output rows of a tile, before burst rounding."""
        if not rows:
            return []
        lines = [int(self.planes[k_tile][image, p, tile.q0 : tile.q1].sum()) for p in rows]
        return [sum(lines)] if tile.full_width else lines


@dataclass(frozen=True)
class Sizes:
    """What the choice of tiles depends on."""

    layer: ConvLayer
    machine: SimpleNamespace
    images: int
    k_tiles: int
    passes: int
    streams: int  # psum streams per block
    source: InputStore
    sink: OutputStore

    def input_fits(self, runs: list[int]) -> bool:
        """Whether compressed bytes fit half the input buffer."""
        return 2 * sum(runs) <= self.machine.input_glb_bytes

    def output_fits(self, runs: list[int]) -> bool:
        """Whether compressed bytes fit half the output buffer."""
        return 2 * sum(runs) <= self.machine.output_glb_bytes

    def psums_fit(self, p_t: int, q_t: int) -> bool:
        """Whether a block's psums of one tile fit its psum buffer."""
        layer = self.layer
        reach = (layer.R - 1) * layer.dilations[0] + 1
        rows = p_t if self.passes > 1 else min(ceil_div(reach, layer.strides[0]), p_t)
        bits = self.streams * rows * q_t * self.machine.psum_bits
        return bits <= 8 * self.machine.psum_buffer_bytes


def coefficient_outer_tile(sizes: Sizes) -> tuple[int, int]:
    """(P_t, Q_t): full height, shrunk by the input rows, then by the psums (BF-48)."""
    layer = sizes.layer

    def rows_fit(q_t: int) -> bool:
        return all(
            sizes.input_fits(sizes.source.runs(image, strip, [y]))
            for strip in grid(layer, layer.P, q_t)
            for image in range(sizes.images)
            for y in strip.rows
        )

    q_t = _largest(layer.Q, rows_fit)
    if q_t is None:
        raise ReferenceInfeasible(
            f"{layer.name}: one input row of one output column exceeds half the "
            f"{sizes.machine.input_glb_bytes} bytes of the input buffer"
        )
    heights = range(layer.P, 0, -1) if sizes.passes > 1 else [layer.P]
    for p_t in heights:
        if sizes.psums_fit(p_t, q_t):
            return p_t, q_t
    p_t = heights[-1]
    narrow = _largest(q_t, lambda q: rows_fit(q) and sizes.psums_fit(p_t, q))
    if narrow is None:
        raise ReferenceInfeasible(
            f"{layer.name}: one output column exceeds the "
            f"{sizes.machine.psum_buffer_bytes} bytes of the psum buffer"
        )
    return p_t, narrow


def input_outer_tile(sizes: Sizes) -> tuple[int, int]:
    """(P_t, Q_t): row tiles; strips only where a single output row does not fit."""
    layer = sizes.layer
    p_t = _largest(layer.P, lambda p: _whole_tiles_fit(sizes, p, layer.Q))
    if p_t is not None:
        return p_t, layer.Q
    q_t = _largest(layer.Q - 1, lambda q: _whole_tiles_fit(sizes, 1, q))
    if q_t is None:
        raise ReferenceInfeasible(f"{layer.name}: one output exceeds the buffers, input outer")
    return 1, q_t


def _largest(start: int, fits: Callable[[int], bool]) -> int | None:
    return next((size for size in range(start, 0, -1) if fits(size)), None)


def _whole_tiles_fit(sizes: Sizes, p_t: int, q_t: int) -> bool:
    """Input outer: every tile's input, psums and stored output, each in its buffer."""
    if not sizes.psums_fit(p_t, q_t):
        return False
    for tile in grid(sizes.layer, p_t, q_t):
        for image in range(sizes.images):
            if not sizes.input_fits(sizes.source.runs(image, tile, tile.rows)):
                return False
            for k_tile in range(sizes.k_tiles):
                stored = sizes.sink.runs(image, k_tile, tile, list(range(tile.p0, tile.p1)))
                if not sizes.output_fits(stored):
                    return False
    return True


def row_groups(
    sizes: Sizes, image: int, tile: Tile, k_tile: int, last_pass: bool
) -> Iterator[tuple[list[int], list[int]]]:
    """Coefficient outer: (input rows, output rows completed) of every step of a pass."""
    rows, after = tile.rows, tile.completed_after()

    def completed(start: int, stop: int) -> list[int]:
        if not last_pass:
            return []
        group = rows[start:stop]
        return [p for p, y in after.items() if y in group or (y is None and start == 0)]

    def fits(start: int, stop: int) -> bool:
        stored = sizes.sink.runs(image, k_tile, tile, completed(start, stop))
        fetched = sizes.source.runs(image, tile, rows[start:stop])
        return sizes.input_fits(fetched) and sizes.output_fits(stored)

    if not rows:
        yield [], completed(0, 0)
    start = 0
    while start < len(rows):
        stop = start + 1
        while stop < len(rows) and fits(start, stop + 1):
            stop += 1
        yield rows[start:stop], completed(start, stop)
        start = stop
