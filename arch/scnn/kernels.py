"""The cycles of all blocks, compiled.

A block multiplies I activations by F weights.  The bank of a product is a hash of its output
coordinate (source: DNNsim's SCNN model, described): bits 0 and 1 the filter's lowest two, bit 2 the
row's lowest, bit 3 the column's lowest, bit 4 the exclusive or of the filter's third bit and the
second bits of row and column.

Pixels of a kind (see ``tiles.Axis``) meet every weight in the same banks, so the products of one
pixel with a block of weights are counted bank by bank once for each kind.  ``LANES`` blocks, of
whichever groups of filters, are counted side by side, a byte for each bank and block, so that the
compiler turns the loops over them into vector instructions.

Rules: specification/scnn.md, SCN-1 and SCN-2.
"""

import numpy as np

from arch.jit import helper, parallel_kernel, turns
from arch.threads import Share

BANKS = 32
MOST_PRODUCTS = 127  # of a block: a bank's count is kept in a byte
OUTSIDE = 255  # no bank
LANES = 32
AT_ONCE = 4  # activations whose banks are added up in one go


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
def _tabulate(
    weights: np.ndarray,
    begin: int,
    end: int,
    lane: int,
    banks: np.ndarray,
    table: np.ndarray,
) -> None:
    """Products in each bank, of one pixel of each kind with one block of weights.

    weights : int32, as in ``block_cycles``; the block goes from ``begin`` to ``end``
    banks : uint8 (taps, kinds met), as in ``block_cycles``
    table : uint8 (kinds met + 1, BANKS, LANES), to which the products are added
    """
    for at in range(begin, end):
        tap, k = weights[at] >> 3, weights[at] & 7
        own = (k & 3) | (k & 4) << 2
        for entry in range(banks.shape[1]):
            bank = banks[tap, entry]
            if bank != OUTSIDE:
                table[entry + 1, bank ^ own, lane] += np.uint8(1)


@helper
def _fullest(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, most: np.ndarray) -> None:
    """The fullest bank of every lane, four tables added up; ``most`` uint8 (LANES,)."""
    most[:] = 1
    for bank in range(BANKS):
        for lane in range(LANES):
            both = np.uint8(a[bank, lane] + b[bank, lane] + c[bank, lane] + d[bank, lane])
            most[lane] = max(most[lane], both)


@helper
def _vector(table: np.ndarray, together: np.ndarray, sums: np.ndarray, most: np.ndarray) -> None:
    """The same for the kinds ``together`` of a vector, int64 (at least 4,)."""
    if together.size == AT_ONCE:
        a, b, c, d = together[0], together[1], together[2], together[3]
        _fullest(table[a], table[b], table[c], table[d], most)
        return
    sums[:] = 0
    for at in range(together.size - 3):
        sums += table[together[at]]
    b, c, d = together[-3], together[-2], together[-1]
    _fullest(sums, table[b], table[c], table[d], most)


@helper
def _tiles(
    slots: np.ndarray,
    first: np.ndarray,
    phase: int,
    phases: int,
    per_block: int,
    table: np.ndarray,
    group: np.ndarray,
    cycles: np.ndarray,
) -> None:
    """Add the cycles of a channel's pixels with up to ``LANES`` blocks of weights.

    slots : int64, where each pixel's kind lies in ``table``
    first : int32 (tiles x phases + 1,), the pixels of each tile and phase
    table : uint8 (kinds + 1, BANKS, LANES), nothing at 0
    group : int64 (lanes used,), the group of filters of each
    cycles : int64 (groups of filters, tiles), added to
    """
    together = np.zeros(max(AT_ONCE, per_block), np.int64)
    alone = np.empty((table.shape[0], LANES), np.uint8)
    none = table[0]
    for kind in range(table.shape[0]):
        _fullest(table[kind], none, none, none, alone[kind])
    most = np.empty(LANES, np.uint8)
    sums = np.empty((BANKS, LANES), np.uint8)
    total = np.empty(LANES, np.int64)
    for tile in range(cycles.shape[1]):
        begin, stop = first[tile * phases + phase], first[tile * phases + phase + 1]
        if begin == stop:
            continue
        total[:] = 0
        for at in range(begin, stop, per_block):
            if per_block == 1 or at + 1 == stop:
                only = alone[slots[at]]
                for lane in range(LANES):
                    total[lane] += only[lane]
                continue
            for i in range(per_block):
                together[i] = slots[at + i] if at + i < stop else 0
            _vector(table, together, sums, most)
            for lane in range(LANES):
                total[lane] += most[lane]
        low = 0
        while low < group.size:
            found, at = total[low], low + 1
            while at < group.size and group[at] == group[low]:
                found += total[at]
                at += 1
            cycles[group[low], tile] += found
            low = at


@helper
def _slots(
    pixels: np.ndarray,
    first: np.ndarray,
    phase: int,
    phases: int,
    slot: np.ndarray,
    met: np.ndarray,
    slots: np.ndarray,
) -> int:
    """Number the kinds of a phase's pixels from 1; how many there are.

    slot : int64 (kinds,), zeros, filled in; met : int64 out, the kinds in order
    slots : int64 out, as ``pixels``
    """
    count = 0
    for tile in range((first.size - 1) // phases):
        queue = tile * phases + phase
        for at in range(first[queue], first[queue + 1]):
            which = pixels[at]
            if slot[which] == 0:
                met[count] = which
                count += 1
                slot[which] = count
            slots[at] = slot[which]
    return count


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
    channels, groups, _ = cycles.shape
    phases = weight_first.shape[2] - 1
    kinds = banks.shape[0]
    for c in turns(share, channels):
        cycles[c] = 0
        slots = np.empty(pixels.shape[1], np.int64)
        met = np.empty(kinds, np.int64)
        group = np.empty(LANES, np.int64)
        for phase in range(phases):
            slot = np.zeros(kinds, np.int64)
            count = _slots(pixels[c], pixel_first[c], phase, phases, slot, met, slots)
            if count == 0:
                continue
            table = np.zeros((count + 1, BANKS, LANES), np.uint8)  # nothing at 0
            here = np.ascontiguousarray(banks[met[:count]].T)
            lane = 0
            for g in range(groups):
                high = weight_first[g, c, phase + 1]
                for begin in range(weight_first[g, c, phase], high, weights_per_block):
                    end = min(begin + weights_per_block, high)
                    group[lane] = g
                    _tabulate(weights, begin, end, lane, here, table)
                    lane += 1
                    if lane == LANES:
                        _tiles(
                            slots,
                            pixel_first[c],
                            phase,
                            phases,
                            per_block,
                            table,
                            group,
                            cycles[c],
                        )
                        table[:] = 0
                        lane = 0
            if lane:
                _tiles(
                    slots, pixel_first[c], phase, phases, per_block, table, group[:lane], cycles[c]
                )
