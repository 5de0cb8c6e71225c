"""Layer + spec -> strips, tiles and groups of filters.

PT-IS-CP-sparse (SCNN, ISCA 2017): the plane is cut into one tile per PE, which keeps its input;
filters come in groups of Kc whose psums fit the accumulators, Kc = entries / (rows x columns of the
largest output tile).  Within a group every input channel is taken once: the PE multiplies all its
non-zero activations of the channel by all non-zero weights of channel and group, a vector of I by
a vector of F at a time.  With a stride U, activations and weights fall into U x U phases, and only
equal ones meet.  Groups run through all K filters, so one may span several groups of the layer.

Coordinates: output (p, q) belongs to the PE that holds the input at (p U, q U).

Assumption: ``tiling = "output"`` cuts the outputs into tiles of equal size, and a PE holds the
input from its first output's coordinate to the next PE's; the last one holds the rest.

Assumption: an input that does not fit the IARAMs is either cut into strips of output rows, as few
as fit, each of which reads its input rows anew (also those it shares with a neighbour) and all the
weights; or it is streamed through the IARAMs again for each group of filters.  Taken is what moves
fewer bytes.  A strip has at least one row for each row of PEs.  Where one tile of outputs exceeds
the accumulators, strips are needed anyway.

Assumption: a fully connected layer has no plane to cut, so the PEs share its filters; every
activation goes to all PEs, one in each block, so that 1 of I multipliers works (the paper's 25 %).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arch.cuts import cut
from arch.errors import OperandError
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


def _bounds(side: Side, part: tuple[int, int], pes: int, tiling: Tiling) -> np.ndarray:
    """First input of every tile, and one behind the last."""
    first, last = part
    low, high = side.inputs(first, last)
    if tiling == "output":
        tile = -(-(last - first) // pes)
        cuts = np.arange(first, last, tile) * side.stride
    else:
        padded = tiling == "padded_input"
        start = low - side.before * (padded and first == 0)
        stop = high + side.after * (padded and last == side.outputs)
        tile = max(1, -(-(stop - start) // pes))
        cuts = np.arange(start, max(stop, start + 1), tile)
    bounds: np.ndarray = np.append(np.clip(cuts, low, high), high).astype(np.int64)
    bounds[0] = low
    return bounds


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
    home = np.clip(np.arange(*part) * side.stride, low, max(low, high - 1))
    tile = np.minimum(np.searchsorted(bounds[1:], home, side="right"), bounds.size - 2)
    made = np.zeros((bounds.size - 1, 2), np.int64)
    for at in range(bounds.size - 1):
        inside = out[bounds[at] - low : bounds[at + 1] - low]
        if (inside >= 0).any():
            made[at] = inside[inside >= 0].min(), inside.max() + 1
    return Axis(
        bounds=bounds,
        owned=part[0] + np.searchsorted(tile, np.arange(bounds.size)).astype(np.int64),
        made=made,
        phase=(inputs + side.before) % side.stride,
        tap_phase=taps * side.dilation % side.stride,
        kind=kind.reshape(-1).astype(np.int64),
        out=np.ascontiguousarray(out[first]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Output rows worked out together: tiles of one plane, and the groups of filters.

    ``groups`` int64 (groups + 1,) bounds the filters that share an accumulator; ``shared`` says
    that the PEs share the filters, so that each takes another group at the same time.

    Examples
    --------
    >>> (strip,) = next(cuts(ConvLayer("fc", C=8, K=1000, H=1, W=1), ScnnSpec()))
    >>> strip.groups[:3].tolist(), strip.steps(64)
    ([0, 16, 32], 1)
    """

    rows: Axis
    columns: Axis
    groups: np.ndarray
    shared: bool = False

    @property
    def tiles(self) -> int:
        """Tiles of the plane."""
        return self.rows.tiles * self.columns.tiles

    def steps(self, pes: int) -> int:
        """Groups one after the other."""
        return -(-(self.groups.size - 1) // (pes if self.shared else 1))


def _filters(layer: ConvLayer, spec: ScnnSpec, area: int) -> int:
    """Filters of a group; 0 where the psums of one exceed the accumulators."""
    if spec.filters_per_group != "fit":
        return min(layer.K, spec.filters_per_group)
    return min(layer.K, spec.accumulator_entries // area)


def _groups(layer: ConvLayer, filters: int) -> np.ndarray:
    return cut(layer.K, filters)


def _cut(layer: ConvLayer, spec: ScnnSpec, height: int) -> list[Strip]:
    """Strips of so many rows of outputs."""
    down, across = sides(layer)
    columns = axis(across, (0, layer.Q), spec.pe_columns, spec.tiling)
    strips = []
    for low in range(0, layer.P, height):
        part = (low, min(low + height, layer.P))
        area = -(-(part[1] - part[0]) // spec.pe_rows) * -(-layer.Q // spec.pe_columns)
        rows = axis(down, part, spec.pe_rows, spec.tiling)
        strips.append(Strip(rows, columns, _groups(layer, _filters(layer, spec, area))))
    return strips


def cuts(layer: ConvLayer, spec: ScnnSpec) -> Iterator[list[Strip]]:
    """The layer in ever more strips, from the fewest whose psums the accumulators hold.

    Raises
    ------
    OperandError
        If a tile of one row exceeds the accumulators; names layer, field and psums.

    Examples
    --------
    >>> layer = ConvLayer("conv", C=8, K=64, H=56, W=56, R=3, S=3, padding=(1, 1, 1, 1))
    >>> (strip,) = next(cuts(layer, ScnnSpec()))
    >>> strip.tiles, strip.groups[:3].tolist()
    (64, [0, 10, 20])
    """
    if layer.is_linear:
        down, across = sides(layer)
        filters = min(_filters(layer, spec, 1), -(-layer.K // spec.pes))
        rows, columns = (axis(side, (0, 1), 1, spec.tiling) for side in (down, across))
        yield [Strip(rows, columns, _groups(layer, filters), shared=True)]
        return
    least, width = min(layer.P, spec.pe_rows), -(-layer.Q // spec.pe_columns)
    if _filters(layer, spec, width) == 0:
        raise OperandError(
            f"{layer.name}: a tile of one row of outputs has {width} psums, wanted at most "
            f"accumulator_entries = {spec.accumulator_entries}"
        )
    counts = range(1, layer.P // least + 1)
    for height in sorted({-(-layer.P // count) for count in counts}, reverse=True):
        if _filters(layer, spec, -(-height // spec.pe_rows) * width):
            yield _cut(layer, spec, height)


def halo_areas(strip: Strip) -> tuple[int, int]:
    """Psums of one filter that PEs send: most to one neighbour, and all together.

    A PE makes psums of the outputs that its inputs reach; those that it does not own go to one of
    eight neighbours, told apart by whether they lie above, below, left or right.

    Examples
    --------
    >>> layer = ConvLayer("conv", C=1, K=1, H=16, W=16, R=3, S=3, padding=(1, 1, 1, 1))
    >>> halo_areas(next(cuts(layer, ScnnSpec(tiling="padded_input")))[0])
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
