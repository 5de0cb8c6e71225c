"""All ways to share a layer out over the array, and the cycles that none of them can beat.

An *inner* mapping says what lies in one PE (M0, C0, S0); this looks at every set height D, m1, g1,
rows of a tile, and the input held or not.  Which ways there are never depends on scratchpads or
GLBs; these only rule out what does not fit.
"""

from typing import NamedTuple

import numpy as np

from arch.jit import helper, kernel

MOST = np.iinfo(np.int64).max
# of a row of the pool: expected cycles, their bound, D, m1, g1, tile rows, e1, f1, held, M0, C0,
# S0, and of the bound the cycles of loading weights and those beside slots and weights
COLUMNS = 14


class Sizes(NamedTuple):
    """The layer, its batch and its tensors with one inner mapping; bits and words.

    ``stride`` and ``dilation`` are those of rows.
    """

    images: int
    groups: int
    filters: int
    channels: int
    P: int
    Q: int
    H: int
    R: int
    stride: int
    dilation: int
    M0: int
    C0: int
    S0: int
    s_pieces: int
    row_bits: int
    piece_bits: int
    word_bits: int
    first_word_bits: int
    weight_bits: int
    output_bits: int


class Limits(NamedTuple):
    """The machine; ``transfer`` are cycles of a byte on the DRAM bus, not rounded up."""

    rows: int
    columns: int
    routers: int
    stages: int
    exposed: int
    psum_bits: int
    psum_room: int
    iact_room: int
    latency: int
    burst: int
    transfer: float


class Turns(NamedTuple):
    """Passes of one tile: sums over them, how many, and words of weights of the first."""

    slots: int
    load: int
    passes: int
    over_g: int
    over_m: int
    first_words: int


class Pool(NamedTuple):
    """Ways worth working out: ``rows`` int64 (n, COLUMNS), ``found`` int64 (1,) of all found.

    ``most`` int64 (1,) are the cycles above which a bound rules a way out; where ``best`` is set
    it follows the expected cycles of the last row, and rows are the most promising ones in order.
    """

    rows: np.ndarray
    found: np.ndarray
    most: np.ndarray
    best: bool


@helper
def over(size: int, part: int) -> int:
    """size / part, rounded up."""
    return -(-size // part)


@helper
def even_sizes(total: int, most: int, more: int) -> np.ndarray:
    """Sizes of even pieces of at most ``most``, large ones first, in few steps, or in ``more``."""
    parts = [1, 2, 3, 4, 6, 8, 12, most]
    limits = np.array([most // part for part in parts] + [8, 6, 4, 3, 2] * more)
    found = np.zeros(limits.size, np.int64)
    count = 0
    for limit in limits:
        if 1 <= limit <= most:
            size = over(total, over(total, limit))
            known = 0
            while known < count and found[known] != size:
                known += 1
            if known == count:
                found[count] = size
                count += 1
    return found[:count]


@helper
def shared(rows: int, columns: int, sets: int) -> tuple[int, int]:
    """e1 and f1 for a tile of ``rows`` of ``columns`` outputs.

    Fewest outputs in the fullest PE, then fewest sets, then most rows, which share iacts.
    """
    best, best_sets, found_e, found_f = MOST, 0, 0, 0
    for e1 in range(min(rows, sets), 0, -1):
        f1 = over(columns, over(columns, min(columns, sets // e1)))
        outputs = over(rows, e1) * over(columns, f1)
        if outputs < best or (outputs == best and e1 * f1 < best_sets):
            best, best_sets, found_e, found_f = outputs, e1 * f1, e1, f1
    return found_e, found_f


@helper
def most_input_rows(sizes: Sizes, rows: int) -> int:
    """Input rows under so many output rows, of one image or of several whole ones, at most."""
    inside = min(rows, sizes.P)
    reach = (inside - 1) * sizes.stride + sizes.dilation * (sizes.R - 1) + 1
    return min(sizes.H, min(reach, inside * sizes.R)) * max(1, rows // sizes.P)


@helper
def gathered(values: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Blocks of ``size`` along an axis of int64 (3, G, M pieces, items): two maxima and a sum."""
    groups, pieces, items = values.shape[1], values.shape[2], values.shape[3]
    step_g, step_m, step_i = 1, 1, 1
    if axis == 1:
        step_g = size
    elif axis == 2:
        step_m = size
    else:
        step_i = size
    over_g, over_m, over_i = over(groups, step_g), over(pieces, step_m), over(items, step_i)
    found = np.zeros((3, over_g, over_m, over_i), np.int64)
    for g in range(groups):
        for m in range(pieces):
            tg, tm = g // step_g, m // step_m
            for ti in range(over_i):
                most, words, total = found[0, tg, tm, ti], found[1, tg, tm, ti], 0
                for item in range(ti * step_i, min((ti + 1) * step_i, items)):
                    most = max(most, values[0, g, m, item])
                    words = max(words, values[1, g, m, item])
                    total += values[2, g, m, item]
                found[0, tg, tm, ti], found[1, tg, tm, ti] = most, words
                found[2, tg, tm, ti] += total
    return found


@helper
def keep(pool: Pool, row: np.ndarray) -> None:
    """Take a way into the pool."""
    if not pool.best:
        if pool.found[0] < pool.rows.shape[0]:
            for column in range(COLUMNS):
                pool.rows[pool.found[0], column] = row[column]
        pool.found[0] += 1
        return
    last = pool.rows.shape[0] - 1
    place = min(pool.found[0], last + 1)
    while place > 0 and row[0] < pool.rows[place - 1, 0]:
        place -= 1
    if place > last:
        return
    for column in range(COLUMNS):
        for at in range(last, place, -1):
            pool.rows[at, column] = pool.rows[at - 1, column]
        pool.rows[place, column] = row[column]
    pool.found[0] += 1
    if pool.found[0] > last:
        pool.most[0] = min(pool.most[0], pool.rows[last, 0])


@helper
def bounds(
    sizes: Sizes, limits: Limits, turns: Turns, tiles: int, under: np.ndarray, row: np.ndarray
) -> None:
    """Cycles of a way as expected, and a bound that it cannot beat; into ``row``.

    The array works between its first load and its last store, and its fullest PE does no less
    than the mean one; the DRAM serves one request after the other.

    under : int64 (2,), iacts stored under all tiles and input rows under them
    """
    rows, e1, f1, held = row[5], row[6], row[7], row[8]
    stay = turns.passes == 1
    times = 1 if stay else tiles
    load, fill = turns.load * times, limits.stages * turns.passes * tiles
    mean = over(turns.slots, e1 * f1)
    fullest = over(sizes.Q, f1) * over(rows, e1) * tiles / (sizes.images * sizes.P * sizes.Q)
    likely = max(mean, int(turns.slots * min(1.0, fullest)))
    if limits.exposed:
        mean, likely = mean + load + fill, likely + load + fill
    else:
        mean, likely = max(mean, load) + fill, max(likely, load) + fill
    deep = over(sizes.channels, sizes.C0) * sizes.groups * sizes.piece_bits
    inputs = (under[0] * sizes.word_bits + under[1] * deep) // 8 * (1 if held else turns.over_m)
    loads = times * turns.passes
    stores = tiles * turns.over_g * turns.over_m
    weights = max(sizes.weight_bits * times // 8, loads * limits.burst)
    outputs = max(sizes.output_bits // 8, stores * limits.burst)
    moved = inputs + weights + outputs
    link = (loads + stores) * limits.latency + int(moved * limits.transfer)
    first = int(turns.first_words * sizes.first_word_bits // 8 * limits.transfer)
    ends = first + 2 * limits.latency + int(limits.burst * limits.transfer)
    row[0], row[1] = max(likely + ends, link), max(mean + ends, link)
    row[12], row[13] = load, fill + ends


@helper
def try_tiles(
    sizes: Sizes,
    limits: Limits,
    turns: Turns,
    under: np.ndarray,
    shares: np.ndarray,
    row: np.ndarray,
    pool: Pool,
) -> None:
    """All tiles, input held or not; ``row`` holds D, m1 and g1."""
    D, m1, g1 = row[2], row[3], row[4]
    sets = min(limits.columns * (limits.rows // D) // (m1 * g1), shares.shape[1] - 1)
    filters = min(sizes.filters, m1 * sizes.M0)
    touched = min(sizes.channels, (over(D - 1, sizes.R * sizes.s_pieces) + 1) * sizes.C0)
    for at in range(under.shape[0]):
        rows, tiles = under[at, 0], under[at, 1]
        if rows * sizes.Q * filters * g1 * limits.psum_bits > limits.psum_room:
            break
        if shares[at, sets, 0] == 0:
            shares[at, sets, 0], shares[at, sets, 1] = shared(rows, sizes.Q, sets)
        row[5], row[6], row[7] = rows, shares[at, sets, 0], shares[at, sets, 1]
        fits = False
        for held in (1, 0):
            deep = sizes.channels if held else touched
            bits = deep * sizes.row_bits + over(deep, sizes.C0) * sizes.piece_bits
            if most_input_rows(sizes, rows) * bits * g1 > limits.iact_room:
                continue
            row[8] = held
            if not held and fits and turns.over_m == 1 and D % (sizes.R * sizes.s_pieces) == 0:
                continue  # the same loads as held
            fits = held == 1
            bounds(sizes, limits, turns, tiles, under[at, 2:], row)
            if row[1] <= pool.most[0]:
                keep(pool, row)


@helper
def least(limits: Limits, slots: int, words: int, passes: int, moved: int) -> int:
    """Cycles below which nothing gets with so many slots, words of weights, passes and bytes."""
    load, link = over(words, limits.routers), passes * limits.latency + int(moved * limits.transfer)
    busy = slots + load if limits.exposed else max(slots, load)
    return max(busy + limits.stages * passes, link)


@kernel
def search(
    sizes: Sizes,
    limits: Limits,
    slots: np.ndarray,
    words: np.ndarray,
    under: np.ndarray,
    shares: np.ndarray,
    pool: Pool,
) -> None:
    """All ways to lay an inner mapping on the array, those into the pool that may win.

    slots, words : int64 (G, M pieces, items), of every PE: iacts times words of weights of all
        outputs; words of weights
    under : int64 (tile choices, 4), rows of a tile, tiles, iacts stored and input rows under all
    shares : int64 (tile choices, sets + 1, 2), zeros at first, e1 and f1 once known; more sets
        than there are make no difference
    """
    groups, pieces, items = slots.shape
    row = np.zeros(COLUMNS, np.int64)
    row[9], row[10], row[11] = sizes.M0, sizes.C0, sizes.S0
    single = np.empty((3, groups, pieces, items), np.int64)
    for g in range(groups):
        for m in range(pieces):
            for i in range(items):
                single[0, g, m, i] = slots[g, m, i]
                single[1, g, m, i] = single[2, g, m, i] = words[g, m, i]
    all_slots, all_words = slots.sum(), words.sum()
    deep = over(sizes.channels, sizes.C0) * groups * sizes.piece_bits
    inputs = MOST
    for at in range(under.shape[0]):
        inputs = min(inputs, under[at, 2] * sizes.word_bits + under[at, 3] * deep)
    inputs //= 8
    moved = inputs + sizes.weight_bits // 8 + sizes.output_bits // 8
    for D in even_sizes(items, limits.rows, 0):
        sets = limits.columns * (limits.rows // D)
        passes = over(groups * pieces, sets) * over(items, D)
        if least(limits, all_slots // (D * sets), all_words, passes, moved) > pool.most[0]:
            continue
        by_set = gathered(single, D, 3)
        if least(limits, by_set[0].sum() // sets, all_words, passes, moved) > pool.most[0]:
            continue
        for m1 in even_sizes(pieces, sets, 0):
            by_m = gathered(by_set, m1, 2)
            for g1 in even_sizes(groups, sets // m1, 1):
                part = gathered(by_m, g1, 1)
                over_g, over_m, turns_i = part.shape[1], part.shape[2], part.shape[3]
                load = 0
                for g in range(over_g):
                    for m in range(over_m):
                        for i in range(turns_i):
                            load += max(part[1, g, m, i], over(part[2, g, m, i], limits.routers))
                count = over_g * over_m * turns_i
                turns = Turns(part[0].sum(), load, count, over_g, over_m, part[2, 0, 0, 0])
                share = over(turns.slots, sets // (m1 * g1))
                work = share + load if limits.exposed else max(share, load)
                link = count * limits.latency + int(moved * limits.transfer)
                if max(work + limits.stages * count, link) <= pool.most[0]:
                    row[2], row[3], row[4] = D, m1, g1
                    try_tiles(sizes, limits, turns, under, shares, row, pool)


@kernel
def sharpen(rows: np.ndarray, slots: np.ndarray, exposed: int) -> None:
    """Raise the bounds of ways that agree in what lies in a PE and in f1.

    In every turn the fullest piece of the output row does no less than the mean of its e1 PEs.

    rows : int64 (n, COLUMNS)
    slots : int64 (f1, G, M pieces, items), of every PE for each piece of the output row
    """
    parts, groups, pieces, items = slots.shape
    most = np.zeros((groups, pieces, items), np.int64)
    for f in range(parts):
        for g in range(groups):
            for m in range(pieces):
                for i in range(items):
                    most[g, m, i] = max(most[g, m, i], slots[f, g, m, i])
    for at in range(rows.shape[0]):
        D, m1, g1, e1 = rows[at, 2], rows[at, 3], rows[at, 4], rows[at, 6]
        turns = np.zeros((over(groups, g1), over(pieces, m1), over(items, D)), np.int64)
        for g in range(groups):
            for m in range(pieces):
                for i in range(turns.shape[2]):
                    peak = turns[g // g1, m // m1, i]
                    for item in range(i * D, min((i + 1) * D, items)):
                        peak = max(peak, most[g, m, item])
                    turns[g // g1, m // m1, i] = peak
        busy = over(turns.sum(), e1)
        busy = busy + rows[at, 12] if exposed else max(busy, rows[at, 12])
        rows[at, 1] = max(rows[at, 1], busy + rows[at, 13])
