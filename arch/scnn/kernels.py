"""The cycles of all blocks, compiled.

A block multiplies I activations by F weights.  The bank of a product is a hash of its output
coordinate (source: DNNsim's SCNN model, described): bits 0 and 1 the filter's lowest two, bit 2 the
row's lowest, bit 3 the column's lowest, bit 4 the exclusive or of the filter's third bit and the
second bits of row and column.

Pixels of a kind (see ``tiles.Axis``) meet every weight in the same banks.  The lowest two bits of
a filter keep a fourth of the banks to it, its third bit only swaps their halves: so the products of
a block of activations are counted bank by bank once for every tap, and those of a block of weights
are added up, filter by filter of the same fourth.  ``LANES`` blocks of activations are counted side
by side, a byte for each bank and block, so that the compiler turns the loops over them into vector
instructions.

Rules: specification/scnn.md, SCN-1 and SCN-2.
"""

import numpy as np

from arch.jit import helper, parallel_kernel, turns
from arch.threads import Share

BANKS = 32
MOST_PRODUCTS = 127  # of a block: a bank's count is kept in a byte
OUTSIDE = 255  # no bank
LANES = 64
FOURTH = BANKS // 4  # the products of a filter reach only these banks
ROW = FOURTH * LANES


def banks_by_tap(row_out: np.ndarray, column_out: np.ndarray) -> np.ndarray:
    """The bank of a product of filter 0 by the pixel's kind and the tap.

    Parameters
    ----------
    row_out : int64 (row kinds, R), output row of a kind and a kernel row, -1 outside
    column_out : int64 (column kinds, S)

    Returns
    -------
    uint8 (row kinds x column kinds, R x S), ``OUTSIDE`` where there is no output

    Examples
    --------
    >>> banks_by_tap(np.array([[2, 1, -1]]), np.array([[3]])).tolist()
    [[8, 28, 255]]
    """
    y, x = row_out[:, None, :, None], column_out[None, :, None, :]
    bank = (y & 1) << 2 | (x & 1) << 3 | ((x >> 1 ^ y >> 1) & 1) << 4
    found = np.where((y < 0) | (x < 0), OUTSIDE, bank).astype(np.uint8)
    taps = row_out.shape[1] * column_out.shape[1]
    return found.reshape(row_out.shape[0] * column_out.shape[0], taps)


@helper
def _used(weights: np.ndarray, first: np.ndarray, c: int, phase: int, row: np.ndarray) -> int:
    """Number the taps that the weights of a channel and phase have; how many there are.

    weights, first : as in ``block_cycles``; row : int64 (taps,) out, -1 where there is no weight
    """
    row[:] = -1
    count = 0
    for g in range(first.shape[0]):
        for at in range(first[g, c, phase], first[g, c, phase + 1]):
            tap = weights[at] >> 3
            if row[tap] < 0:
                row[tap] = count
                count += 1
    return count


@helper
def _places(banks: np.ndarray, row: np.ndarray, places: np.ndarray) -> None:
    """Where in a table the product of a kind's pixel with each tap used is counted.

    banks : as in ``block_cycles``; row : as in ``_used``
    places : int64 (kinds, taps used) out; products without a bank count behind the last row
    """
    rows = places.shape[1]
    for tap in range(row.size):
        if row[tap] < 0:
            continue
        for kind in range(places.shape[0]):
            bank = banks[kind, tap]
            at = 2 * rows if bank == OUTSIDE else 2 * row[tap]
            places[kind, row[tap]] = at * ROW + (bank % BANKS >> 2) * LANES


@helper
def _tabulate(
    pixels: np.ndarray,
    c: int,
    begin: int,
    end: int,
    lane: int,
    places: np.ndarray,
    table: np.ndarray,
) -> None:
    """Count a block of activations with one weight of every tap, of a filter 0.

    pixels : as in ``block_cycles``; the block goes from ``begin`` to ``end``
    places : as ``_places`` gives them; table : uint8 ((2 x taps used + 1) x ROW,), added to
    """
    for at in range(begin, end):
        kind = pixels[c, at]
        for tap in range(places.shape[1]):
            table[places[kind, tap] + lane] += np.uint8(1)


@helper
def _complete(table: np.ndarray, alone: np.ndarray) -> None:
    """The tables of filters whose third bit is set, and the fullest bank with one weight.

    table : uint8 (2 x taps used + 1, ROW), of each tap first the one for a third bit of 0
    alone : uint8 (taps used, LANES) out
    """
    half = ROW // 2
    for tap in range(alone.shape[0]):
        for i in range(half):
            table[2 * tap + 1, i] = table[2 * tap, half + i]
            table[2 * tap + 1, half + i] = table[2 * tap, i]
        for i in range(LANES):
            most = table[2 * tap, i]
            for bank in range(1, FOURTH):
                most = max(most, table[2 * tap, bank * LANES + i])
            alone[tap, i] = most


@helper
def _one(rows: np.ndarray, a: int, most: np.ndarray) -> None:
    """Raise ``most``, uint8 (LANES,), to a row of the same length."""
    for i in range(LANES):
        most[i] = max(most[i], rows[a, i])


@helper
def _two(table: np.ndarray, a: int, b: int, most: np.ndarray) -> None:
    """Raise ``most`` to the fullest bank of two weights of the same fourth."""
    for i in range(LANES):
        found = most[i]
        for bank in range(FOURTH):
            at = bank * LANES + i
            found = max(found, np.uint8(table[a, at] + table[b, at]))
        most[i] = found


@helper
def _three(table: np.ndarray, a: int, b: int, c: int, most: np.ndarray) -> None:
    """The same of three weights."""
    for i in range(LANES):
        found = most[i]
        for bank in range(FOURTH):
            at = bank * LANES + i
            found = max(found, np.uint8(table[a, at] + table[b, at] + table[c, at]))
        most[i] = found


@helper
def _many(table: np.ndarray, which: np.ndarray, fourth: int, count: int, most: np.ndarray) -> None:
    """The same of ``count`` weights, more than one."""
    sums = np.empty((2, ROW), np.uint8)
    for i in range(ROW):
        sums[0, i] = table[which[fourth, 0], i]
    for at in range(1, count - 1):
        a = which[fourth, at]
        for i in range(ROW):
            sums[0, i] += table[a, i]
    a = which[fourth, count - 1]
    for i in range(ROW):
        sums[1, i] = table[a, i]
    _two(sums, 0, 1, most)


@helper
def _lanes(
    weights: np.ndarray,
    first: np.ndarray,
    c: int,
    phase: int,
    per_block: int,
    row: np.ndarray,
    table: np.ndarray,
    tile: np.ndarray,
    cycles: np.ndarray,
) -> None:
    """Add the cycles of up to ``LANES`` blocks of activations with every group of filters.

    weights, first, cycles : as in ``block_cycles``; per_block : weights of a block
    row : as in ``_used``; table : as in ``_complete``; tile : int64, of each lane in use
    """
    alone = np.empty((table.shape[0] // 2, LANES), np.uint8)
    _complete(table, alone)
    most = np.empty(LANES, np.uint8)
    total = np.empty(LANES, np.uint32)
    which = np.empty((4, per_block), np.int64)  # rows of a block's weights, fourth by fourth
    count = np.empty(4, np.int64)
    for g in range(first.shape[0]):
        low, high = first[g, c, phase], first[g, c, phase + 1]
        if low == high:
            continue
        total[:] = 0
        for begin in range(low, high, per_block):
            count[:] = 0
            for at in range(begin, min(begin + per_block, high)):
                weight = weights[at]
                fourth = weight & 3
                which[fourth, count[fourth]] = 2 * row[weight >> 3] + (weight >> 2 & 1)
                count[fourth] += 1
            most[:] = 1
            for fourth in range(4):
                if count[fourth] == 1:
                    _one(alone, which[fourth, 0] >> 1, most)
                elif count[fourth] == 2:
                    _two(table, which[fourth, 0], which[fourth, 1], most)
                elif count[fourth] == 3:
                    _three(table, which[fourth, 0], which[fourth, 1], which[fourth, 2], most)
                elif count[fourth] > 3:
                    _many(table, which, fourth, count[fourth], most)
            for i in range(LANES):
                total[i] += most[i]
        for lane in range(tile.size):
            cycles[c, g, tile[lane]] += total[lane]


@parallel_kernel
def block_cycles(
    share: Share,
    pixels: np.ndarray,
    pixel_first: np.ndarray,
    weights: np.ndarray,
    weight_first: np.ndarray,
    banks: np.ndarray,
    per_block: int,
    weights_per_block: int,
    cycles: np.ndarray,
) -> None:
    """Cycles of every channel, group of filters and tile: each block takes its fullest bank.

    pixels : int32 (C, H W), kinds (row kind x column kinds + column kind), queue by queue
    pixel_first : int32 (C, tiles x phases + 1), where each tile's phases begin in ``pixels``
    weights : int32, (kernel row x S + kernel column) x 8 + the filter's lowest three bits
    weight_first : int64 (groups of filters, C, phases + 1), where each phase begins
    banks : uint8 (kinds, taps), the bank of a kind's product with a tap of filter 0; ``OUTSIDE``
        where there is no output
    per_block, weights_per_block : I and F, whose product is at most 127
    cycles : int64 out (C, groups of filters, tiles)
    """
    channels, _, tiles = cycles.shape
    phases = weight_first.shape[2] - 1
    row = np.empty(banks.shape[1], np.int64)
    tile_of = np.empty(LANES, np.int64)
    for c in turns(share, channels):
        cycles[c] = 0
        for phase in range(phases):
            count = _used(weights, weight_first, c, phase, row)
            if count == 0:
                continue
            places = np.empty((banks.shape[0], count), np.int64)
            _places(banks, row, places)
            table = np.zeros((2 * count + 1, ROW), np.uint8)
            flat = table.reshape(-1)
            lane = 0
            for tile in range(tiles):
                queue = tile * phases + phase
                high = pixel_first[c, queue + 1]
                for begin in range(pixel_first[c, queue], high, per_block):
                    end = min(begin + per_block, high)
                    _tabulate(pixels, c, begin, end, lane, places, flat)
                    tile_of[lane] = tile
                    lane += 1
                    if lane == LANES:
                        _lanes(
                            weights,
                            weight_first,
                            c,
                            phase,
                            weights_per_block,
                            row,
                            table,
                            tile_of,
                            cycles,
                        )
                        table[:] = 0
                        lane = 0
            if lane:
                _lanes(
                    weights,
                    weight_first,
                    c,
                    phase,
                    weights_per_block,
                    row,
                    table,
                    tile_of[:lane],
                    cycles,
                )


@parallel_kernel
def filter_cycles(
    share: Share,
    active: np.ndarray,
    weights: np.ndarray,
    first: np.ndarray,
    per_block: int,
    cycles: np.ndarray,
) -> None:
    """The same of a fully connected layer, whose blocks of one activation meet only one tap.

    active : bool (C,), whether there is an activation
    weights : int32, the filter's lowest three bits, which tell its bank
    first : int64 (groups of filters, C, 2), where each channel begins and ends
    per_block : F; cycles : int64 out (C, groups of filters)
    """
    one, byte = np.uint64(1), np.uint64(255)
    for c in turns(share, active.size):
        for g in range(first.shape[0]):
            total = 0
            low, high = first[g, c, 0], first[g, c, 1]
            for begin in range(low, high if active[c] else low, per_block):
                counts = np.uint64(0)  # a byte for each value of the three bits
                for at in range(begin, min(begin + per_block, high)):
                    counts += one << np.uint64(8 * weights[at])
                most = counts & byte
                for bits in range(1, 8):
                    most = max(most, counts >> np.uint64(8 * bits) & byte)
                total += int(most)
            cycles[c, g] = total
