"""An image on a grid: all strips of the plane, tile by tile, queued and stored."""

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from arch.scnn.feed import Feed
from arch.scnn.plan import Grid
from arch.scnn.queues import queue_activations, store_tiles
from arch.scnn.spec import ScnnSpec
from arch.scnn.tiles import Axis, by_strip, column_tiles, halo_areas, row_tiles


@dataclass(frozen=True, eq=False)
class Plane:
    """Tiles of all strips; what changes with the groups of filters is not here.

    ``shared`` says that there is no plane to cut, so the PEs share the filters, and each takes
    another group at the same time.

    Parameters
    ----------
    rows, columns : the tiles along each side
    queue, first : as ``queue_activations`` gives them
    values, vectors : int64 (C, phases, tiles), activations, and vectors of them
    pixels, results : uint8 (C, places, places), and (K, P, Q), masks of what is stored
    pe : int64 (tiles,), which PE each belongs to
    longest : the longest run of zeros that one entry can tell of, None where zeros are stored
    """

    rows: Axis
    columns: Axis
    shared: bool
    queue: np.ndarray
    first: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    pixels: np.ndarray
    results: np.ndarray
    pe: np.ndarray
    longest: int | None

    @property
    def strips(self) -> int:
        """Strips of the plane."""
        return self.rows.strips * self.columns.strips

    @cached_property
    def entries(self) -> np.ndarray:
        """Entries of the activations in run-of-zeros form, int64 (C, tiles)."""
        return _stored(self.pixels, self.rows.bounds, self.columns.bounds, self.longest)

    @cached_property
    def outputs(self) -> np.ndarray:
        """Entries of the outputs likewise, int64 (K, tiles)."""
        return _stored(self.results, self.rows.owned, self.columns.owned, self.longest)

    @cached_property
    def halo(self) -> tuple[np.ndarray, int]:
        """Psums of one filter that PEs send, see ``halo_areas``."""
        return halo_areas(self.rows, self.columns)

    @cached_property
    def flat(self) -> np.ndarray:
        """Vectors as float64 (C x phases, tiles)."""
        return self.vectors.astype(np.float64).reshape(-1, self.vectors.shape[2])

    @cached_property
    def strip(self) -> np.ndarray:
        """Which strip each tile belongs to, int64 (tiles,)."""
        found = self.rows.strip[:, None] * self.columns.strips + self.columns.strip
        return found.reshape(-1)

    def by_strip(self, values: np.ndarray, most: bool = False) -> np.ndarray:
        """Sums, or the most, of each strip: (..., tiles) -> (..., strips)."""
        return by_strip(values, self.rows, self.columns, most)


def together(shared: bool, spec: ScnnSpec) -> int:
    """Activations of a block."""
    return 1 if shared else spec.activation_vector


def _stored(
    values: np.ndarray, rows: np.ndarray, columns: np.ndarray, longest: int | None
) -> np.ndarray:
    """Entries of a mask (channels, rows, columns) in tiles with these bounds."""
    found = np.zeros((values.shape[0], (rows.size - 1) * (columns.size - 1)), np.int64)
    store_tiles(values, longest is None, rows, columns, longest or 0, found)
    return found


def whole_entries(feed: Feed, spec: ScnnSpec) -> int:
    """Entries of an image whose plane is not cut into strips."""
    layer = feed.layer
    rows = row_tiles(layer, spec, ((0, layer.P),))
    columns = column_tiles(layer, spec, ((0, layer.Q),))
    values = feed.pixels.take(rows.inputs, axis=1).take(columns.inputs, axis=2)
    longest = spec.longest_run if spec.skip_zeros else None
    return int(_stored(values, rows.bounds, columns.bounds, longest).sum())


def plane(feed: Feed, spec: ScnnSpec, grid: Grid) -> Plane:
    """Scan one image."""
    layer = feed.layer
    rows, columns = row_tiles(layer, spec, grid.rows), column_tiles(layer, spec, grid.columns)
    values = feed.pixels.take(rows.inputs, axis=1).take(columns.inputs, axis=2)
    tiles, phases = rows.tiles * columns.tiles, prod(layer.strides)
    queue = np.empty((layer.C, max(1, values[0].size)), np.int32)
    first = np.zeros((layer.C, tiles * phases + 1), np.int32)
    queue_activations(
        values,
        not spec.skip_zeros,
        rows.bounds,
        columns.bounds,
        rows.kind,
        columns.kind,
        rows.phase,
        columns.phase,
        layer.strides,
        columns.out.shape[0],
        queue,
        first,
    )
    here = np.diff(first, axis=1).reshape(layer.C, tiles, phases).transpose(0, 2, 1)
    here = np.ascontiguousarray(here, np.int64)
    return Plane(
        rows=rows,
        columns=columns,
        shared=layer.is_linear,
        queue=queue,
        first=first,
        values=here,
        vectors=-(-here // together(layer.is_linear, spec)),
        pixels=values,
        results=feed.outputs,
        pe=(rows.place[:, None] * spec.pe_columns + columns.place).reshape(-1),
        longest=spec.longest_run if spec.skip_zeros else None,
    )
