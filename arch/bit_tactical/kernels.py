"""Kernels: masks of the weights, the front end's schedule, and the back ends' cycles.

Steps of a filter are numbered in the order of the dense machine; a lane is a bit of a mask.
"""

import numpy as np

from arch.jit import helper, parallel_kernel, turns
from arch.threads import Share
from arch.wide import ones

ZERO = np.uint64(0)
ONE = np.uint64(1)


@parallel_kernel
def fill_masks(
    share: Share,
    weights: np.ndarray,
    everything: bool,
    lanes: int,
    chunks: int,
    of_set: np.ndarray,
    row: np.ndarray,
    offset: np.ndarray,
    masks: np.ndarray,
) -> None:
    """One bit for each weight that takes a slot.

    weights : int32 (filters, channels, taps); ``everything`` counts zeros too
    lanes, chunks : channel c lies in lane c mod lanes of chunk c // lanes; a tap has so many chunks
    of_set, row, offset : int64 (filters,), where a filter goes, and the first of its channels
    masks : uint64 (sets, steps, rows), zero before; each filter has a row of its own
    """
    _, channels, taps = weights.shape
    for k in turns(share, weights.shape[0]):
        s, r, low = of_set[k], row[k], offset[k]
        for chunk in range(low // lanes, (low + channels - 1) // lanes + 1):
            first = max(chunk * lanes, low) - low
            last = min((chunk + 1) * lanes, low + channels) - low
            for tap in range(taps):
                word = ZERO
                for c in range(first, last):
                    there = everything or weights[k, c, tap] != 0
                    word |= np.uint64(there) << np.uint64((low + c) % lanes)
                masks[s, tap * chunks + chunk, r] = word


@helper
def _turned(mask: np.uint64, by: int, lanes: int, full: np.uint64) -> np.uint64:
    """Bit l of the result is bit (l + by) mod lanes of ``mask``; 0 <= by < lanes."""
    if by == 0:
        return mask
    low: np.uint64 = (mask >> np.uint64(by)) | (mask << np.uint64(lanes - by))
    return low & full


@helper
def _lowest(mask: np.uint64) -> np.int64:
    """Number of the lowest bit that is set."""
    return np.int64(ones((mask & (~mask + ONE)) - ONE))


@helper
def _fill(
    slots: np.ndarray,
    t: int,
    r: int,
    ahead: np.ndarray,
    by: np.ndarray,
    back: np.ndarray,
    lanes: int,
    full: np.uint64,
    offers: np.ndarray,
    used: np.ndarray,
    came: np.ndarray,
) -> None:
    """Fill the empty slots of step ``t`` of filter ``r``, the slot with most candidates first.

    slots : uint64 (steps, rows), weights not yet executed, changed
    ahead, by, back : int64 (places,), steps ahead; lanes to the right and to the left, mod lanes
    offers : uint64 (places,), scratch
    used : uint64 (lookahead + 1,), lanes of each step whose activation is multiplied, added to
    came : int8 (lanes,), 1 + place that each filled slot was filled from; empty if nobody asks
    """
    while True:
        empty = full & ~slots[t, r]
        one, two, four, eight = ZERO, ZERO, ZERO, ZERO
        for place in range(ahead.shape[0]):
            offer = ZERO
            if t + ahead[place] < slots.shape[0]:
                offer = empty & _turned(slots[t + ahead[place], r], by[place], lanes, full)
            offers[place] = offer
            carry = one & offer
            one ^= offer
            more = two & carry
            two ^= carry
            carry = four & more
            four ^= more
            eight |= carry
        if one | two | four | eight == ZERO:
            return
        most = full
        if most & eight:
            most &= eight
        if most & four:
            most &= four
        if most & two:
            most &= two
        if most & one:
            most &= one
        slot = most & (~most + ONE)
        place = 0
        while offers[place] & slot == ZERO:
            place += 1
        taken = _turned(slot, back[place], lanes, full)
        slots[t, r] |= slot
        slots[t + ahead[place], r] &= ~taken
        used[ahead[place]] |= taken
        if came.shape[0]:
            came[_lowest(slot)] = place + 1


@parallel_kernel
def schedule_sets(
    share: Share,
    masks: np.ndarray,
    sizes: np.ndarray,
    lanes: int,
    lookahead: int,
    ahead: np.ndarray,
    by: np.ndarray,
    back: np.ndarray,
    counts: np.ndarray,
    times: np.ndarray,
    used: np.ndarray,
    taken: np.ndarray,
    came: np.ndarray,
) -> None:
    """The schedule of every set of filters; the sets of masks are consumed.

    masks : uint64 (sets, steps, rows); afterwards the slots taken at each step kept
    sizes : int64 (sets,), filters of each set
    ahead, by, back : as ``_fill``
    counts : int64 out (sets,), steps kept
    times : int32 out (sets, steps), the dense number of each step kept
    used : uint64 out (sets, steps, lookahead + 1), lanes whose activations any filter multiplies
    taken : int64 out (sets, steps), slots taken by all filters
    came : int8 out (sets or 0, steps, rows, lanes), by dense step: 0 for a weight that stayed
    """
    steps = masks.shape[1]
    full = ~ZERO >> np.uint64(64 - lanes)
    for s in turns(share, masks.shape[0]):
        offers = np.empty(ahead.shape[0], np.uint64)
        kept, skipped = np.int64(0), 0
        # Filters fill their slots each by itself, but they move on together: a step is left out
        # where it is empty in all of them, and that depends on what was taken out of it before.
        for t in range(steps):
            live = ZERO
            for r in range(sizes[s]):
                live |= masks[s, t, r]
            if live == ZERO and skipped < lookahead:
                skipped += 1
                continue
            skipped = 0
            used[s, kept, :] = ZERO
            used[s, kept, 0] = live
            total = np.int64(0)
            for r in range(sizes[s]):
                asked = came[s, t, r] if came.shape[0] else np.empty(0, np.int8)
                _fill(masks[s], t, r, ahead, by, back, lanes, full, offers, used[s, kept], asked)
                total += np.int64(ones(masks[s, t, r]))
            times[s, kept], taken[s, kept] = t, total
            kept += 1
        counts[s] = kept


@parallel_kernel
def gather(
    share: Share, codes: np.ndarray, place: np.ndarray, window: np.ndarray, out: np.ndarray
) -> None:
    """Code of the activation under every place of every window.

    codes : unsigned, one dimension
    place : int64 (places,), the place of window 0 in ``codes``; below 0 for none
    window : int64 (windows,), how much further on the places of each window lie
    out : unsigned (places, windows)
    """
    for at in turns(share, out.shape[0]):
        base = place[at]
        if base < 0:
            out[at, :] = 0
        else:
            for w in range(out.shape[1]):
                out[at, w] = codes[base + window[w]]


@helper
def _worst(
    codes: np.ndarray,
    used: np.ndarray,
    t: int,
    lanes: int,
    largest: bool,
    worst: np.ndarray,
) -> None:
    """Per window the union (or the largest) of the codes of all activations used in a step."""
    worst[:] = 0
    for near in range(used.shape[0]):
        mask = used[near]
        while mask:
            place = (t + near) * lanes + _lowest(mask)
            mask &= mask - ONE
            line = codes[place]
            if largest:
                for w in range(worst.shape[0]):
                    worst[w] = max(worst[w], line[w])
            else:
                for w in range(worst.shape[0]):
                    worst[w] |= line[w]


@parallel_kernel
def step_costs(
    share: Share,
    codes: np.ndarray,
    counts: np.ndarray,
    times: np.ndarray,
    used: np.ndarray,
    lanes: int,
    largest: bool,
    need: np.ndarray,
    costs: np.ndarray,
) -> None:
    """Cycles that every window needs for every step of every set of filters.

    codes : unsigned (places, windows); ``need`` int64: cycles by what ``_worst`` finds
    counts, times, used : as ``schedule_sets``
    costs : uint8 out (sets, steps, windows), steps behind the last one left as they are
    """
    windows = codes.shape[1]
    for s in turns(share, counts.shape[0]):
        worst = np.empty(windows, codes.dtype)
        for kept in range(counts[s]):
            _worst(codes, used[s, kept], times[s, kept], lanes, largest, worst)
            for w in range(windows):
                costs[s, kept, w] = need[worst[w]]


@parallel_kernel
def serial_cycles(
    share: Share,
    costs: np.ndarray,
    counts: np.ndarray,
    taken: np.ndarray,
    bounds: np.ndarray,
    columns: int,
    piece: int,
    cycles: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Cycles of a bit-serial tile for every set of filters: columns wait for each other.

    costs : uint8 (sets, steps, windows); counts, taken : as ``schedule_sets``
    bounds : int64 (blocks + 1,), of the blocks of windows
    piece : steps kept of a set that lie in the weight memory at once
    cycles : int64 out (sets, blocks, pieces, shares), zero before; pallet i of the columns of a
        block is of share i mod shares
    sums : int64 out (sets, 4): window-cycles until the step ends, the same times slots taken,
        window-cycles needed, the same times slots taken
    """
    shares = cycles.shape[3]
    for s in turns(share, counts.shape[0]):
        sums[s, :] = 0
        for kept in range(counts[s]):
            line, part = costs[s, kept], kept // piece
            ends, own = np.int64(0), np.int64(0)
            for block in range(bounds.size - 1):
                pallets = 0
                for low in range(bounds[block], bounds[block + 1], columns):
                    high = min(low + columns, bounds[block + 1])
                    slowest, total = np.int64(0), np.int64(0)
                    for w in range(low, high):
                        total += line[w]
                        slowest = max(slowest, np.int64(line[w]))
                    cycles[s, block, part, pallets] += slowest
                    own += total
                    ends += slowest * (high - low)
                    pallets = pallets + 1 if pallets + 1 < shares else 0
            sums[s, 0] += ends
            sums[s, 1] += ends * taken[s, kept]
            sums[s, 2] += own
            sums[s, 3] += own * taken[s, kept]


@parallel_kernel
def multiplexed_cycles(
    share: Share,
    costs: np.ndarray,
    counts: np.ndarray,
    taken: np.ndarray,
    bounds: np.ndarray,
    columns: int,
    piece: int,
    cycles: np.ndarray,
    sums: np.ndarray,
) -> None:
    """As ``serial_cycles`` for fully connected layers: steps take turns at the columns.

    One window at a time.  A step begins a cycle after the one before it, once its column is free.
    """
    shares = cycles.shape[3]
    for s in turns(share, counts.shape[0]):
        sums[s, :] = 0
        free = np.zeros(columns, np.int64)
        for block in range(bounds.size - 1):
            for w in range(bounds[block], bounds[block + 1]):
                pallets = (w - bounds[block]) % shares
                start, end = np.int64(0), np.int64(0)
                for kept in range(counts[s]):
                    if kept % piece == 0:
                        free[:] = 0
                        start, end = np.int64(0), np.int64(0)
                    column, cost = kept % piece % columns, np.int64(costs[s, kept, w])
                    begin = max(start, free[column])
                    start, free[column] = begin + 1, begin + cost
                    end = max(end, begin + cost)
                    sums[s, 0] += cost
                    sums[s, 1] += cost * taken[s, kept]
                    if kept % piece == piece - 1 or kept == counts[s] - 1:
                        cycles[s, block, kept // piece, pallets] += end
        sums[s, 2], sums[s, 3] = sums[s, 0], sums[s, 1]
