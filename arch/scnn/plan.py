"""Layer + spec -> the plans there are: strips of the plane, and groups of filters.

PT-IS-CP-sparse (SCNN, ISCA 2017): the plane is cut into one tile per PE, which keeps its input;
filters come in groups of Kc whose psums fit the accumulators, Kc = entries / (rows x columns of the
largest output tile).  Within a group every input channel is taken once: the PE multiplies all its
non-zero activations of the channel by all non-zero weights of channel and group, a vector of I by
a vector of F at a time.  A group of filters reads the channels of its own layer groups only.

Assumption: which of some plans is taken is searched for.  The plane is cut into 1, 4, 16 ...
strips, rows and columns alike, the filters into groups of 2, 8, 32 ..., and whole layer groups
likewise; a cut finer than half of the smallest accumulators need is no plan.  Which plans there are
depends on layer and grid of PEs alone, the memories only say which fit: a plan of smaller memories
is one of larger ones.  See ``search`` for which is taken.

``tiling`` other than ``output``, or ``filters_per_group`` other than ``fit``, names one plan: as
few strips of rows as the accumulators allow, and groups of as many filters as they hold (``most``),
or of so many.

Assumption: a fully connected layer has no plane to cut, so the PEs share its filters; every
activation goes to all PEs, one in each block, so that 1 of I multipliers works (the paper's 25 %).

Rules: specification/scnn.md, SCN-13 and SCN-14.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from arch.cuts import cut
from arch.errors import OperandError
from arch.scnn.kernels import BANKS
from arch.scnn.spec import ScnnSpec
from workloads.layer import ConvLayer

Span = tuple[int, int]

# Cells of a table by group of filters and input channel, beyond which groups of few filters of a
# fully connected layer are no plan: they would only multiply its steps.
MOST_CELLS = 1 << 23


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


def sizes(most: int) -> list[int]:
    """Sizes of groups that are tried: all, and 2, 8, 32, 128 ...

    The lowest three bits of a filter choose its banks, so 8 or 32 filters spread evenly.

    Examples
    --------
    >>> sizes(64)
    [64, 32, 8, 2]
    """
    ladder = [2 << n for n in range(0, most.bit_length(), 2) if 2 << n < most]
    return [most, *reversed(ladder)]


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
    [(1, 1, 49), (2, 2, 16), (4, 4, 4), (7, 7, 1)]
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
    held = not isinstance(spec.filters_per_group, int)
    if held and width > spec.accumulator_entries:
        raise OperandError(
            f"{layer.name}: a tile of one row of outputs has {width} psums, wanted at most "
            f"accumulator_entries = {spec.accumulator_entries}"
        )
    for number in range(1, layer.P // least + 1):
        height = -(-layer.P // number)
        tall = -(-height // spec.pe_rows)
        if not held or tall * width <= spec.accumulator_entries:
            break
    rows = list(pairwise(cut(layer.P, height).tolist()))
    return _grid(layer, spec, rows, [(0, layer.Q)])


def grids(layer: ConvLayer, spec: ScnnSpec) -> Iterator[Grid]:
    """The ways to cut the plane, the whole plane first."""
    if layer.is_linear:
        yield named_grid(layer, spec)
        return
    down, across = -(-layer.P // spec.pe_rows), -(-layer.Q // spec.pe_columns)
    high, wide = 1, 1
    while True:
        rows = _spans(layer.P, spec.pe_rows, high)
        yield _grid(layer, spec, rows, _spans(layer.Q, spec.pe_columns, wide))
        if (high, wide) == (down, across):
            return
        high, wide = min(2 * high, down), min(2 * wide, across)


def named_grouping(layer: ConvLayer, spec: ScnnSpec, area: int) -> Grouping:
    """Groups of as many filters as the accumulators hold, or as ``filters_per_group`` says."""
    if isinstance(spec.filters_per_group, int):
        most = spec.filters_per_group
    else:
        most = max(1, spec.accumulator_entries // area)
        most = min(most, -(-layer.K // spec.pes)) if layer.is_linear else most
    size, per = min(layer.K, most), layer.K // layer.groups
    aligned = layer.groups == 1 or size % per == 0 or (size < per and per % size == 0)
    return Grouping(cut(layer.K, size), aligned)


def groupings(layer: ConvLayer, spec: ScnnSpec) -> list[Grouping]:
    """The ways to group the filters, the largest groups first."""
    per = layer.K // layer.groups
    if layer.is_linear:
        every = sizes(-(-layer.K // spec.pes))
        few = {size for size in every if -(-layer.K // size) * layer.C <= MOST_CELLS}
        few.add(next(size for size in every if size <= BANKS))
        bounds = [cut(layer.K, size) for size in sorted(few, reverse=True)]
        return [Grouping(each, layer.groups == 1) for each in bounds]
    starts = np.arange(layer.groups, dtype=np.int64) * per
    many = [cut(layer.K, per * size) for size in sizes(layer.groups)] + [cut(layer.K, per)]
    for size in sizes(per)[1:]:
        inner = cut(per, size)[:-1]
        many.append(np.append((starts[:, None] + inner).reshape(-1), layer.K))
    return list({bounds.tobytes(): Grouping(bounds) for bounds in many}.values())


def is_named(spec: ScnnSpec) -> bool:
    """Whether the fields leave one plan only."""
    return spec.tiling != "output" or spec.filters_per_group != "fit"


def family(layer: ConvLayer, spec: ScnnSpec) -> Iterator[tuple[Grid, list[Grouping]]]:
    """All plans, whatever the memories; none finer than half of ``BANKS`` accumulators need.

    Examples
    --------
    >>> layer = ConvLayer("conv", C=8, K=64, H=28, W=28, R=3, S=3, padding=(1, 1, 1, 1))
    >>> [(grid.strips, [each.most for each in some]) for grid, some in family(layer, ScnnSpec())]
    [(1, [64, 32, 8, 2]), (4, [64, 32, 8, 2]), (16, [64, 32, 8])]
    """
    if is_named(spec):
        grid = named_grid(layer, spec)
        yield grid, [named_grouping(layer, spec, grid.area)]
        return
    groups, coarser, least = groupings(layer, spec), 0, BANKS // 2
    for grid in grids(layer, spec):
        kept: list[Grouping] = []
        for each in groups:
            if kept and kept[-1].most * grid.area <= least:
                break
            if not coarser or each.most * coarser > least:
                kept.append(each)
        yield grid, kept
        coarser = grid.area


def plans(layer: ConvLayer, spec: ScnnSpec) -> Iterator[tuple[Grid, list[Grouping]]]:
    """Those whose psums fit the accumulators; a named one is taken at its word."""
    for grid, found in family(layer, spec):
        room = spec.accumulator_entries // grid.area
        fit = [each for each in found if is_named(spec) or each.most <= room]
        if fit:
            yield grid, fit
