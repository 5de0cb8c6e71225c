"""Tiles: a strip of the output plane, cut into one tile for each PE.

Coordinates: a PE multiplies the inputs of its tile and owns outputs; psums that it makes for
outputs of another are its halo.  With a stride U, activations and weights fall into U x U phases,
and only equal ones meet.

Assumption: ``tiling = "output"`` cuts the outputs of a strip, and the inputs that they need, into
tiles as even as can be, the i-th of both for the i-th PE.  Under ``padded_input`` and ``input``
output (p, q) belongs to the PE that holds the input at (p U, q U).
"""

from dataclasses import dataclass

import numpy as np

from arch.scnn.spec import ScnnSpec, Tiling
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """Rows or columns of a strip, all bounds int64.

    Parameters
    ----------
    bounds : (tiles + 1,), first input of each tile, counted from the layer's first
    owned : (tiles + 1,), first output of each tile
    made : (tiles, 2), from and to which output the inputs of each tile reach
    phase, tap_phase : of each input and tap, modulo the stride
    kind : of each input: those of a kind meet every tap in the same banks
    out : (kinds, taps), the output, -1 where there is none
    """

    bounds: np.ndarray
    owned: np.ndarray
    made: np.ndarray
    phase: np.ndarray
    tap_phase: np.ndarray
    kind: np.ndarray
    out: np.ndarray

    @property
    def tiles(self) -> int:
        """Tiles along the axis."""
        return self.bounds.size - 1


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a layer: its inputs, taps, outputs, zeros in front and behind."""

    size: int
    taps: int
    outputs: int
    before: int
    after: int
    stride: int
    dilation: int

    def inputs(self, first: int, last: int) -> tuple[int, int]:
        """From and to which input the outputs ``first`` to ``last`` reach; edges take all.

        Examples
        --------
        >>> Side(9, 3, 9, 1, 1, 1, 1).inputs(3, 6)
        (2, 7)
        """
        low = first * self.stride - self.before
        high = (last - 1) * self.stride - self.before + (self.taps - 1) * self.dilation + 1
        low = 0 if first == 0 else min(max(low, 0), self.size)
        high = self.size if last == self.outputs else min(max(high, low), self.size)
        return low, high


def sides(layer: ConvLayer) -> tuple[Side, Side]:
    """Rows and columns of a layer."""
    top, bottom, left, right = layer.padding
    return (
        Side(layer.H, layer.R, layer.P, top, bottom, layer.stride, layer.dilation),
        Side(layer.W, layer.S, layer.Q, left, right, layer.stride, layer.dilation),
    )


def _even(total: int, pieces: int) -> np.ndarray:
    """Boundaries of 0..total in pieces that differ by one at most; int64 (pieces + 1,)."""
    return np.arange(pieces + 1, dtype=np.int64) * total // pieces


def _bounds(side: Side, part: tuple[int, int], pes: int, tiling: Tiling) -> np.ndarray:
    """First input of every tile, and one behind the last."""
    low, high = side.inputs(*part)
    if tiling == "output":
        return low + _even(high - low, min(pes, max(high - low, part[1] - part[0])))
    padded = tiling == "padded_input"
    start = low - side.before * (padded and part[0] == 0)
    stop = high + side.after * (padded and part[1] == side.outputs)
    tile = max(1, -(-(stop - start) // pes))
    cuts = np.arange(start, max(stop, start + 1), tile)
    bounds: np.ndarray = np.append(np.clip(cuts, low, high), high).astype(np.int64)
    bounds[0] = low
    return bounds


def _owned(side: Side, part: tuple[int, int], bounds: np.ndarray, tiling: Tiling) -> np.ndarray:
    """First output of every tile, and one behind the last."""
    if tiling == "output":
        return part[0] + _even(part[1] - part[0], bounds.size - 1)
    low, high = int(bounds[0]), int(bounds[-1])
    home = np.clip(np.arange(*part) * side.stride, low, max(low, high - 1))
    tile = np.minimum(np.searchsorted(bounds[1:], home, side="right"), bounds.size - 2)
    found: np.ndarray = part[0] + np.searchsorted(tile, np.arange(bounds.size)).astype(np.int64)
    return found


def axis(side: Side, part: tuple[int, int], pes: int, tiling: Tiling) -> Axis:
    """Tiles of the outputs ``part`` along one side, at most one per PE.

    Examples
    --------
    >>> found = axis(Side(16, 3, 16, 1, 1, 1, 1), (0, 16), 8, "padded_input")
    >>> found.bounds.tolist(), found.made[1].tolist()
    ([0, 2, 5, 8, 11, 14, 16], [1, 6])
    """
    bounds = _bounds(side, part, pes, tiling)
    low, high = int(bounds[0]), int(bounds[-1])
    inputs, taps = np.arange(low, high, dtype=np.int64), np.arange(side.taps, dtype=np.int64)
    reach = inputs[:, None] + side.before - taps * side.dilation
    out = np.where(reach % side.stride == 0, reach // side.stride, -1)
    out = np.where((out >= part[0]) & (out < part[1]), out, -1)
    alike = np.where(out < 0, -1, out & 3)  # all that a bank depends on
    _, first, kind = np.unique(alike, axis=0, return_index=True, return_inverse=True)
    made = np.zeros((bounds.size - 1, 2), np.int64)
    for at in range(bounds.size - 1):
        inside = out[bounds[at] - low : bounds[at + 1] - low]
        if (inside >= 0).any():
            made[at] = inside[inside >= 0].min(), inside.max() + 1
    return Axis(
        bounds=bounds,
        owned=_owned(side, part, bounds, tiling),
        made=made,
        phase=(inputs + side.before) % side.stride,
        tap_phase=taps * side.dilation % side.stride,
        kind=kind.reshape(-1).astype(np.int64),
        out=np.ascontiguousarray(out[first]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """A part of the output plane worked out at once, tile by tile.

    ``shared`` says that there is no plane to cut, so the PEs share the filters, and each takes
    another group at the same time.

    Examples
    --------
    >>> layer = ConvLayer("conv", C=1, K=1, H=16, W=16, R=3, S=3, padding=(1, 1, 1, 1))
    >>> whole_plane(layer, ScnnSpec()).tiles
    64
    """

    rows: Axis
    columns: Axis
    shared: bool = False

    @property
    def tiles(self) -> int:
        """Tiles of the plane."""
        return self.rows.tiles * self.columns.tiles

    def steps(self, groups: int, pes: int) -> int:
        """Steps that so many groups of filters take, one after the other."""
        return -(-groups // (pes if self.shared else 1))


def row_tiles(layer: ConvLayer, spec: ScnnSpec, part: tuple[int, int]) -> Axis:
    """Tiles of the outputs from and to which row."""
    pes = 1 if layer.is_linear else spec.pe_rows
    return axis(sides(layer)[0], part, pes, spec.tiling)


def column_tiles(layer: ConvLayer, spec: ScnnSpec, part: tuple[int, int]) -> Axis:
    """Tiles of the outputs from and to which column."""
    pes = 1 if layer.is_linear else spec.pe_columns
    return axis(sides(layer)[1], part, pes, spec.tiling)


def whole_plane(layer: ConvLayer, spec: ScnnSpec) -> Strip:
    """All outputs in one strip."""
    rows, columns = (0, layer.P), (0, layer.Q)
    return Strip(row_tiles(layer, spec, rows), column_tiles(layer, spec, columns), layer.is_linear)


def halo_areas(strip: Strip) -> tuple[int, int]:
    """Psums of one filter that PEs send: most to one neighbour, and all together.

    A PE makes psums of the outputs that its inputs reach; those that it does not own go to one of
    eight neighbours, told apart by whether they lie above, below, left or right.

    Examples
    --------
    >>> layer = ConvLayer("conv", C=1, K=1, H=16, W=16, R=3, S=3, padding=(1, 1, 1, 1))
    >>> halo_areas(whole_plane(layer, ScnnSpec(tiling="padded_input")))
    (3, 420)
    """

    def thirds(side: Axis) -> np.ndarray:
        low, high = side.made.T
        first, last = side.owned[:-1], side.owned[1:]
        inside = np.maximum(np.minimum(high, last) - np.maximum(low, first), 0)
        before = np.maximum(np.minimum(high, first) - low, 0)
        return np.stack([before, inside, high - low - before - inside])

    areas = np.einsum("ai,bj->abij", thirds(strip.rows), thirds(strip.columns))
    areas[1, 1] = 0
    return int(areas.max()), int(areas.sum())
