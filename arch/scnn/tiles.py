"""Tiles: a strip of the output plane, cut into one tile for each PE.

Coordinates: a PE multiplies the inputs of its tile and owns outputs; psums that it makes for
outputs of another are its halo.  With strides U down and V across, activations and weights fall
into U x V phases, and only equal ones meet.

Assumption: ``tiling = "output"`` cuts the outputs of a strip, and the inputs that they need, into
tiles as even as can be, the i-th of both for the i-th PE.  Under ``padded_input`` and ``input``
output (p, q) belongs to the PE that holds the input at (p U, q V).

Rules: specification/scnn.md, SCN-3 and SCN-7.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arch.scnn.spec import ScnnSpec, Tiling
from workloads.layer import ConvLayer

NOWHERE = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """Rows or columns of all strips, one after the other; all arrays int64.

    Parameters
    ----------
    inputs : (places,), of all tiles in order; what two strips need comes twice
    bounds : (tiles + 1,), first place of each tile
    first : (strips + 1,), first tile of each strip
    owned : (tiles + 1,), first output of each tile
    made : (tiles, 2), from and to which output the inputs of each tile reach
    phase : of each place, modulo the axis' stride
    kind : of each place: those of a kind meet every tap in the same banks
    out : (kinds, taps), the output, -1 where there is none
    """

    inputs: np.ndarray
    bounds: np.ndarray
    first: np.ndarray
    owned: np.ndarray
    made: np.ndarray
    phase: np.ndarray
    kind: np.ndarray
    out: np.ndarray

    @property
    def tiles(self) -> int:
        """Tiles along the axis."""
        return self.bounds.size - 1

    @property
    def strips(self) -> int:
        """Strips along the axis."""
        return self.first.size - 1

    @property
    def strip(self) -> np.ndarray:
        """Which strip each tile belongs to."""
        return np.repeat(np.arange(self.strips), np.diff(self.first))

    @property
    def place(self) -> np.ndarray:
        """Which tile of its strip each tile is."""
        found: np.ndarray = np.arange(self.tiles) - self.first[self.strip]
        return found


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a layer: its inputs, taps, outputs, zeros in front and behind, its steps."""

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
    down, across = zip(layer.strides, layer.dilations, strict=True)
    return (
        Side(layer.H, layer.R, layer.P, *layer.padding[:2], *down),
        Side(layer.W, layer.S, layer.Q, *layer.padding[2:], *across),
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


def _made(out: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """From and to which output the inputs of each tile reach; ``out`` (places, taps)."""
    low = np.append(np.where(out < 0, NOWHERE, out).min(axis=1), NOWHERE)
    high = np.append(out.max(axis=1), -1)
    made = np.stack(
        [np.minimum.reduceat(low, bounds[:-1]), np.maximum.reduceat(high, bounds[:-1]) + 1], axis=1
    )
    made[(made[:, 1] == 0) | (np.diff(bounds) == 0)] = 0
    return made


def _kinds(out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first place of each kind, and the kind of each place: all that a bank depends on."""
    alike = np.where(out < 0, -1, out & 3)
    known: dict[bytes, int] = {}
    kind = np.array([known.setdefault(row.tobytes(), len(known)) for row in alike], np.int64)
    first = np.unique(kind, return_index=True)[1]
    return first, kind


def axis(side: Side, parts: Sequence[tuple[int, int]], pes: int, tiling: Tiling) -> Axis:
    """Tiles of strips, outputs from and to, along one side; at most one per PE in each.

    Examples
    --------
    >>> found = axis(Side(16, 3, 16, 1, 1, 1, 1), [(0, 16)], 8, "padded_input")
    >>> found.bounds.tolist(), found.made[1].tolist()
    ([0, 2, 5, 8, 11, 14, 16], [1, 6])
    """
    taps = np.arange(side.taps, dtype=np.int64)
    inputs, outputs, bounds, owned = [], [], [], []
    places = 0
    for part in parts:
        ends = _bounds(side, part, pes, tiling)
        here = np.arange(ends[0], ends[-1], dtype=np.int64)
        reach = here[:, None] + side.before - taps * side.dilation
        out = np.where(reach % side.stride == 0, reach // side.stride, -1)
        outputs.append(np.where((out >= part[0]) & (out < part[1]), out, -1))
        inputs.append(here)
        bounds.append(ends[:-1] - ends[0] + places)
        owned.append(_owned(side, part, ends, tiling)[:-1])
        places += here.size
    every, out = np.concatenate(inputs), np.concatenate(outputs)
    ends = np.append(np.concatenate(bounds), places)
    first, kind = _kinds(out)
    return Axis(
        inputs=every,
        bounds=ends,
        first=np.cumsum([0, *(len(each) for each in bounds)]),
        owned=np.append(np.concatenate(owned), parts[-1][1]),
        made=_made(out, ends),
        phase=(every + side.before) % side.stride,
        kind=kind,
        out=np.ascontiguousarray(out[first]),
    )


def row_tiles(layer: ConvLayer, spec: ScnnSpec, parts: Sequence[tuple[int, int]]) -> Axis:
    """Tiles of strips of outputs, from and to which row."""
    pes = 1 if layer.is_linear else spec.pe_rows
    return axis(sides(layer)[0], parts, pes, spec.tiling)


def column_tiles(layer: ConvLayer, spec: ScnnSpec, parts: Sequence[tuple[int, int]]) -> Axis:
    """Tiles of strips of outputs, from and to which column."""
    pes = 1 if layer.is_linear else spec.pe_columns
    return axis(sides(layer)[1], parts, pes, spec.tiling)


def by_strip(values: np.ndarray, rows: Axis, columns: Axis, most: bool = False) -> np.ndarray:
    """Sums, or the most, of each strip: (..., tile rows x tile columns) -> (..., strips)."""
    over = np.maximum if most else np.add
    shape = values.shape[:-1]
    found = values.reshape(*shape, rows.tiles, columns.tiles)
    found = over.reduceat(found, columns.first[:-1], axis=-1)
    return over.reduceat(found, rows.first[:-1], axis=-2).reshape(*shape, -1)


def halo_areas(rows: Axis, columns: Axis) -> tuple[np.ndarray, int]:
    """Psums of one filter that PEs send: most to one neighbour in each strip, and all together.

    A PE makes psums of the outputs that its inputs reach; those that it does not own go to one of
    eight neighbours, told apart by whether they lie above, below, left or right.

    Examples
    --------
    >>> layer = ConvLayer("conv", C=1, K=1, H=16, W=16, R=3, S=3, padding=(1, 1, 1, 1))
    >>> spec, whole = ScnnSpec(tiling="padded_input"), [(0, 16)]
    >>> halo_areas(row_tiles(layer, spec, whole), column_tiles(layer, spec, whole))
    (array([3]), 420)
    """

    def thirds(side: Axis) -> np.ndarray:
        low, high = side.made.T
        first, last = side.owned[:-1], side.owned[1:]
        inside = np.maximum(np.minimum(high, last) - np.maximum(low, first), 0)
        before = np.maximum(np.minimum(high, first) - low, 0)
        return np.stack([before, inside, high - low - before - inside])

    areas = np.einsum("ai,bj->abij", thirds(rows), thirds(columns))
    areas[1, 1] = 0
    most = areas.max(axis=(0, 1)).reshape(-1)
    return by_strip(most, rows, columns, most=True), int(areas.sum())
