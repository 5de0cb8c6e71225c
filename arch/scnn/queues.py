"""The values in a PE's queues and memories, in order: compiled scans of both tensors.

Activations are in the order of the plane, a tile at a time; weights of a group of filters and an
input channel go kernel row by kernel row, column by column, filter by filter (as in DNNsim).
``keep_zeros`` takes zeros for values.
"""

import numpy as np

from arch.jit import parallel_kernel, turns
from arch.threads import Share


@parallel_kernel
def queue_activations(
    share: Share,
    values: np.ndarray,
    keep_zeros: bool,
    row_first: np.ndarray,
    column_first: np.ndarray,
    row_kind: np.ndarray,
    column_kind: np.ndarray,
    row_phase: np.ndarray,
    column_phase: np.ndarray,
    strides: tuple[int, int],
    column_kinds: int,
    entries: np.ndarray,
    first: np.ndarray,
) -> None:
    """Kinds of the pixels in every queue, row by row.

    values : integers (C, H, W); row_first, column_first : int64 (tiles + 1,), first of each tile
    row_kind, column_kind : int64 (H,), (W,); a pixel is of the kind
        row kind x column kinds + column kind
    row_phase, column_phase : int64 (H,), (W,), coordinate modulo the stride of its axis
    entries : int32 out (C, H * W)
    first : int32 out (C, tiles x phases + 1), where each tile's phases begin in ``entries``
    """
    rows, columns = row_first.size - 1, column_first.size - 1
    for c in turns(share, values.shape[0]):
        at, queue = 0, 0
        for tile_row in range(rows):
            for tile_column in range(columns):
                for phase in range(strides[0] * strides[1]):
                    first[c, queue] = at
                    queue += 1
                    for y in range(row_first[tile_row], row_first[tile_row + 1]):
                        if row_phase[y] != phase // strides[1]:
                            continue
                        for x in range(column_first[tile_column], column_first[tile_column + 1]):
                            if column_phase[x] != phase % strides[1]:
                                continue
                            if keep_zeros or values[c, y, x] != 0:
                                entries[c, at] = row_kind[y] * column_kinds + column_kind[x]
                                at += 1
        first[c, queue] = at


@parallel_kernel
def queue_weights(
    share: Share,
    values: np.ndarray,
    keep_zeros: bool,
    group_first: np.ndarray,
    filters_per_layer_group: int,
    row_phase: np.ndarray,
    column_phase: np.ndarray,
    strides: tuple[int, int],
    first: np.ndarray,
    entries: np.ndarray,
) -> None:
    """Weights of every group of filters and channel, phase by phase, kernel rows first.

    values : integers (C / groups, R, S, K); group_first : int64 (groups of filters + 1,)
    row_phase, column_phase : int64 (R,), (S,), where the tap begins modulo the stride of its axis
    first : int64 (groups of filters, C, phases + 1); counted into if ``entries`` is empty, from
        1 on, else where each phase begins
    entries : int32 out, (row x S + column) x 8 + the filter's lowest three bits
    """
    depth, R, S, _ = values.shape
    channels = first.shape[1]
    for task in turns(share, first.shape[0] * channels):
        g, c = task // channels, task % channels
        own = c // depth * filters_per_layer_group
        low = max(group_first[g], own)
        high = min(group_first[g + 1], own + filters_per_layer_group)
        for phase in range(strides[0] * strides[1]):
            at = first[g, c, phase]
            count = 0
            for r in range(R):
                if row_phase[r] != phase // strides[1]:
                    continue
                for s in range(S):
                    if column_phase[s] != phase % strides[1]:
                        continue
                    for k in range(low, high):
                        if keep_zeros or values[c % depth, r, s, k] != 0:
                            if entries.size:
                                entries[at + count] = (r * S + s) * 8 + (k & 7)
                            count += 1
            if entries.size == 0:
                first[g, c, phase + 1] = count


@parallel_kernel
def store_tiles(
    share: Share,
    values: np.ndarray,
    keep_zeros: bool,
    row_first: np.ndarray,
    column_first: np.ndarray,
    longest: int,
    entries: np.ndarray,
) -> None:
    """Entries that every tile of every channel takes in run-of-zeros form.

    values : integers (C, H, W); row_first, column_first : int64 (tiles + 1,)
    longest : the longest run of zeros that one entry can tell of
    entries : int64 out (C, tiles)
    """
    rows, columns = row_first.size - 1, column_first.size - 1
    for c in turns(share, values.shape[0]):
        for tile in range(rows * columns):
            total, run = 0, 0
            for y in range(row_first[tile // columns], row_first[tile // columns + 1]):
                for x in range(column_first[tile % columns], column_first[tile % columns + 1]):
                    if keep_zeros:
                        total += 1
                    elif values[c, y, x] == 0:
                        run += 1
                    else:
                        total += 1 + run // (longest + 1)
                        run = 0
            entries[c, tile] = total


@parallel_kernel
def store_weights(
    share: Share,
    values: np.ndarray,
    keep_zeros: bool,
    group_first: np.ndarray,
    filters_per_layer_group: int,
    longest: int,
    entries: np.ndarray,
) -> None:
    """Entries that every group of filters and channel takes in run-of-zeros form.

    values : integers (C / groups, R, S, K); group_first : int64 (groups of filters + 1,)
    entries : int64 out (groups of filters, C)
    """
    depth, R, S, _ = values.shape
    channels = entries.shape[1]
    for task in turns(share, entries.shape[0] * channels):
        g, c = task // channels, task % channels
        own = c // depth * filters_per_layer_group
        low = max(group_first[g], own)
        high = min(group_first[g + 1], own + filters_per_layer_group)
        total, run = 0, 0
        for r in range(R):
            for s in range(S):
                for k in range(low, high):
                    if keep_zeros:
                        total += 1
                    elif values[c % depth, r, s, k] == 0:
                        run += 1
                    else:
                        total += 1 + run // (longest + 1)
                        run = 0
        entries[g, c] = total
