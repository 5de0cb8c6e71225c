"""Layer + spec -> the plans there are: strips of the plane, and groups of filters.

PT-IS-CP-sparse (SCNN, ISCA 2017): the plane is cut into one tile per PE, which keeps its input;
filters come in groups of Kc whose psums fit the accumulators, Kc = entries / (rows x columns of the
largest output tile).  Within a group every input channel is taken once: the PE multiplies all its
non-zero activations of the channel by all non-zero weights of channel and group, a vector of I by
a vector of F at a time.  A group of filters reads the channels of its own layer groups only.

Assumption: the plan is searched for.  The plane is cut into strips, rows and columns halved by
turns; filters into groups, of a part of one layer group's filters or of whole layer
groups.  Which there are depends on layer and grid of PEs alone, the memories only say which fit: a
plan of smaller memories is one of larger ones.  See ``search`` for which is taken.

``tiling`` other than ``output`` names the plan of another simulator: as few strips of rows, and
groups of as many filters, as the accumulators allow.  ``filters_per_group`` names Kc.

Assumption: a fully connected layer has no plane to cut, so the PEs share its filters; every
activation goes to all PEs, one in each block, so that 1 of I multipliers works (the paper's 25 %).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from arch.cuts import cut
from arch.errors import OperandError
from arch.scnn.spec import ScnnSpec
from workloads.layer import ConvLayer

Span = tuple[int, int]

# Cells of a table by group of filters and input channel, beyond which groups of few filters of a
# fully connected layer are no plan: they would only multiply its steps.
MOST_CELLS = 1 << 23
FINE = 8  # up to so many groups every number is tried, then ever coarser ones


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """Groups of filters.

    Parameters
    ----------
    bounds : int64 (groups + 1,), first filter of each, and one behind the last
    aligned : whether no group takes a part of one layer group and a part of another
    """

    bounds: np.ndarray
    aligned: bool = True

    @property
    def size(self) -> int:
        """Groups of filters."""
        return self.bounds.size - 1

    @property
    def most(self) -> int:
        """Filters of the largest group."""
        return int(np.diff(self.bounds).max())


def counts(most: int) -> list[int]:
    """Numbers of parts that are tried: all up to 8, then in steps of up to a quarter, and all.

    Examples
    --------
    >>> counts(20)
    [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20]
    """
    found, step = list(range(1, min(most, FINE) + 1)), 2
    while found[-1] + step < most:
        found.append(found[-1] + step)
        if found[-1] == FINE * step:
            step *= 2
    return found if found[-1] == most else [*found, most]


def _halvings(most: int) -> list[int]:
    """1, 2, 4 ... parts of so many rows of tiles, down to single rows."""
    return sorted({1 << n for n in range(most.bit_length()) if 1 << n <= most} | {most})


def _spans(outputs: int, pes: int, parts: int) -> list[Span]:
    """Outputs along one side in parts, each a whole number of tile rows of the PEs."""
    rows = -(-outputs // pes)
    ends = [min(outputs, rows * at // parts * pes) for at in range(parts + 1)]
    return list(pairwise(ends))


def _area(layer: ConvLayer, spec: ScnnSpec, rows: Span, columns: Span) -> int:
    """Psums of one filter in the largest tile of a strip."""
    if layer.is_linear:
        return 1
    high, wide = rows[1] - rows[0], columns[1] - columns[0]
    return -(-high // spec.pe_rows) * -(-wide // spec.pe_columns)


@dataclass(frozen=True, slots=True)
class Grid:
    """A plane cut into strips, by rows and by columns of outputs; ``area`` as in ``_area``.

    Examples
    --------
    >>> layer = ConvLayer("conv", C=8, K=64, H=56, W=56, R=3, S=3, padding=(1, 1, 1, 1))
    >>> [(len(grid.rows), len(grid.columns), grid.area) for grid in grids(layer, ScnnSpec())]
    [(1, 1, 49), (2, 1, 28), (2, 2, 16), (4, 2, 8), (4, 4, 4), (7, 4, 2), (7, 7, 1)]
    """

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    area: int

    @property
    def strips(self) -> int:
        """Number of strips."""
        return len(self.rows) * len(self.columns)


def _grid(layer: ConvLayer, spec: ScnnSpec, rows: Sequence[Span], columns: Sequence[Span]) -> Grid:
    area = max(_area(layer, spec, *part) for part in product(rows, columns))
    return Grid(tuple(rows), tuple(columns), area)


def named_grid(layer: ConvLayer, spec: ScnnSpec) -> Grid:
    """As few strips of rows as the accumulators allow.

    Raises
    ------
    OperandError
        If a tile of one row exceeds the accumulators; names layer, field and psums.
    """
    if layer.is_linear:
        return Grid(((0, 1),), ((0, 1),), 1)
    least, width = min(layer.P, spec.pe_rows), -(-layer.Q // spec.pe_columns)
    if spec.filters_per_group == "fit" and width > spec.accumulator_entries:
        raise OperandError(
            f"{layer.name}: a tile of one row of outputs has {width} psums, wanted at most "
            f"accumulator_entries = {spec.accumulator_entries}"
        )
    for number in range(1, layer.P // least + 1):
        height = -(-layer.P // number)
        tall = -(-height // spec.pe_rows)
        if spec.filters_per_group != "fit" or tall * width <= spec.accumulator_entries:
            break
    rows = list(pairwise(cut(layer.P, height).tolist()))
    return _grid(layer, spec, rows, [(0, layer.Q)])


def grids(layer: ConvLayer, spec: ScnnSpec) -> Iterator[Grid]:
    """The ways to cut the plane, the whole plane first."""
    if layer.is_linear or spec.tiling != "output":
        yield named_grid(layer, spec)
        return
    down, across = -(-layer.P // spec.pe_rows), -(-layer.Q // spec.pe_columns)
    high, wide = 1, 1
    while True:
        rows = _spans(layer.P, spec.pe_rows, high)
        yield _grid(layer, spec, rows, _spans(layer.Q, spec.pe_columns, wide))
        if (high, wide) == (down, across):
            return
        if high < down and (high * across <= wide * down or wide == across):
            high = min(2 * high, down)
        else:
            wide = min(2 * wide, across)


def one_group(layer: ConvLayer) -> Grouping:
    """All filters."""
    return Grouping(cut(layer.K, layer.K))


def named_grouping(layer: ConvLayer, spec: ScnnSpec, area: int) -> Grouping:
    """Groups of as many filters as the accumulators hold, or as ``filters_per_group`` says."""
    if spec.filters_per_group != "fit":
        most = spec.filters_per_group
    else:
        most = max(1, spec.accumulator_entries // area)
        most = min(most, -(-layer.K // spec.pes)) if layer.is_linear else most
    size, per = min(layer.K, most), layer.K // layer.groups
    aligned = layer.groups == 1 or size % per == 0 or (size < per and per % size == 0)
    return Grouping(cut(layer.K, size), aligned)


def groupings(layer: ConvLayer, spec: ScnnSpec, area: int) -> list[Grouping]:
    """The groups of filters whose psums fit the accumulators, the largest groups first."""
    if spec.filters_per_group != "fit" or spec.tiling != "output":
        return [named_grouping(layer, spec, area)]
    per = layer.K // layer.groups
    if layer.is_linear:
        share = -(-layer.K // spec.pes)
        sizes = sorted({-(-share // number) for number in _halvings(share)}, reverse=True)
        few = [size for size in sizes if -(-layer.K // size) * layer.C <= MOST_CELLS]
        fit = [size for size in few or sizes[:1] if size <= spec.accumulator_entries]
        named = [named_grouping(layer, spec, area)]
        return [Grouping(cut(layer.K, size), layer.groups == 1) for size in fit] or named
    many = [cut(layer.K, per * -(-layer.groups // number)) for number in counts(layer.groups)]
    starts = np.arange(layer.groups, dtype=np.int64) * per
    for number in counts(per)[1:]:
        inner = cut(per, -(-per // number))[:-1]
        many.append(np.append((starts[:, None] + inner).reshape(-1), layer.K))
    found = {bounds.tobytes(): Grouping(bounds) for bounds in many}.values()
    return [each for each in found if each.most * area <= spec.accumulator_entries]
