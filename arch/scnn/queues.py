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
    """Kinds of the pixels in every queue, row by row; written first, and kept if there is a value.

    values : uint8 (C, H, W), 1 where there is a value
    row_first, column_first : int64 (tiles + 1,), first of each tile
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
                            entries[c, at] = row_kind[y] * column_kinds + column_kind[x]
                            at += int(np.int64(keep_zeros or values[c, y, x]))
        first[c, queue] = at


@parallel_kernel
def list_weights(
    share: Share, values: np.ndarray, per: int, first: np.ndarray, filters: np.ndarray
) -> None:
    """The filters of all weights, tap by tap.

    values : uint8 (C / groups, taps, K), 1 where there is a weight; per : filters of a layer group
    first : int64 (C, taps + 1), where each tap begins in ``filters``
    filters : int32 out (weights,)
    """
    depth, taps, _ = values.shape
    found = np.empty(per + 1, np.int32)
    for c in turns(share, first.shape[0]):
        own = c // depth * per
        for tap in range(taps):
            count = 0
            for k in range(own, own + per):
                found[count] = k
                count += int(np.int64(values[c % depth, tap, k]))
            begin = first[c, tap]
            for at in range(first[c, tap + 1] - begin):
                filters[begin + at] = found[at]


@parallel_kernel
def count_weights(
    share: Share,
    filters: np.ndarray,
    first: np.ndarray,
    phase: np.ndarray,
    per: int,
    depth: int,
    bounds: np.ndarray,
    longest: int,
    counts: np.ndarray,
    stored: np.ndarray,
) -> None:
    """Weights of every group of filters, and their entries in run-of-zeros form.

    filters, first : as in ``list_weights``; phase : int64 (taps,), of each tap
    per, depth : filters and channels of a layer group
    bounds : int64 (groups of filters + 1,); longest : the longest run of one entry
    counts : int64 out (groups of filters, C, phases); stored : int64 out (groups of filters, C)
    """
    reached = np.empty(counts.shape[0], np.int64)  # by group: behind its last weight
    for c in turns(share, first.shape[0]):
        counts[:, c] = 0
        stored[:, c] = 0
        reached[:] = 0
        own = c // depth * per
        start = int(np.searchsorted(bounds, own, side="right")) - 1
        for tap in range(phase.size):
            at, end, g = first[c, tap], first[c, tap + 1], start
            while at < end:
                low, high = max(bounds[g], own), min(bounds[g + 1], own + per)
                place, before = tap * (high - low) - low, reached[g]
                count, runs = at, 0
                while at < end and filters[at] < high:
                    run = place + filters[at] - before
                    if run > longest:
                        runs += run // (longest + 1)
                    before += run + 1
                    at += 1
                reached[g] = before
                counts[g, c, phase[tap]] += at - count
                stored[g, c] += at - count + runs
                g += 1


@parallel_kernel
def queue_weights(
    share: Share,
    filters: np.ndarray,
    first: np.ndarray,
    phase: np.ndarray,
    per: int,
    depth: int,
    bounds: np.ndarray,
    begins: np.ndarray,
    entries: np.ndarray,
) -> None:
    """Weights of every group of filters and channel, phase by phase, kernel rows first.

    filters ... bounds : as in ``count_weights``
    begins : int64 (groups of filters, C, phases + 1), where each phase begins in ``entries``
    entries : int32 out, (row x S + column) x 8 + the filter's lowest three bits
    """
    groups, channels, phases = begins.shape
    places = np.empty((groups, phases), np.int64)
    for c in turns(share, channels):
        places[:] = begins[:, c]
        own = c // depth * per
        start = int(np.searchsorted(bounds, own, side="right")) - 1
        for tap in range(phase.size):
            at, end, g = first[c, tap], first[c, tap + 1], start
            while at < end:
                high, place = min(bounds[g + 1], own + per), places[g, phase[tap]]
                while at < end and filters[at] < high:
                    entries[place] = tap * 8 + (filters[at] & 7)
                    place += 1
                    at += 1
                places[g, phase[tap]] = place
                g += 1


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

    values : uint8 (C, H, W), 1 where there is a value; row_first, column_first : int64 (tiles + 1,)
    longest : the longest run of zeros that one entry can tell of
    entries : int64 out (C, tiles)
    """
    rows, columns = row_first.size - 1, column_first.size - 1
    for c in turns(share, values.shape[0]):
        for tile in range(rows * columns):
            if keep_zeros:
                high = row_first[tile // columns + 1] - row_first[tile // columns]
                wide = column_first[tile % columns + 1] - column_first[tile % columns]
                entries[c, tile] = high * wide
                continue
            total, run, before = 0, 0, 0  # before: entries that tell of zeros, since the last value
            for y in range(row_first[tile // columns], row_first[tile // columns + 1]):
                for x in range(column_first[tile % columns], column_first[tile % columns + 1]):
                    value = int(np.int64(values[c, y, x]))
                    run = (run + 1) * (1 - value)
                    if run > longest:
                        before += 1
                        run = 0
                    total += value * (1 + before)
                    before *= 1 - value
            entries[c, tile] = total
