"""The best of all mappings: branch and bound over every choice that keeps the limits.

Nothing is left out but what cannot win: sizes beyond the layer's own change nothing, and whatever
a bound cuts off costs more than the best mapping found so far.  So a machine whose buffers hold
more, which has all the choices of the smaller one at the same costs, is never slower.

Two rounds: the first tries blocks as equal as can be, few and mostly good, the second all others.

Rule: specification/eyeriss.md, EYE-4.
"""

from typing import NamedTuple

import numpy as np

from arch.eyeriss.kernels import Array, Choice, Shape, filters_held, fits, movement, over
from arch.eyeriss.timing import (
    MOST,
    Bytes,
    Stored,
    block,
    bursts,
    busy_cycles,
    bytes_of_strips,
    last_drain,
    measure,
    served,
    step_cycles,
    transfer,
    weights_held,
)
from arch.jit import helper, kernel


@helper
def stacked_sets(shape: Shape, array: Array, e: int) -> int:
    """PE sets that may stand on top of each other."""
    return array.rows // (shape.R * over(e, array.columns))


@helper
def following(total: int, size: int, even: bool) -> int:
    """The next smaller size to try: all, or those that cut into equal pieces; 0 after 1."""
    if size <= 1:
        return 0
    return over(total, over(total, size - 1)) if even else size - 1


@helper
def largest(total: int, most: int, even: bool) -> int:
    """The largest size to try."""
    size = min(total, most)
    if size < 1:
        return 0
    return over(total, over(total, size)) if even else size


@helper
def weight_loads(shape: Shape, array: Array, choice: Choice) -> tuple[int, int]:
    """DRAM bytes of all weights, whole bursts, and their cycles without latency."""
    depth, one = choice.q * choice.r, shape.R * shape.S * array.word
    total, cycles = 0, 0
    for last_m in range(2):
        m = shape.K % choice.m if last_m else min(choice.m, shape.K)
        for last_c in range(2):
            c = shape.C % depth if last_c else min(depth, shape.C)
            times = 1 if last_m else shape.K // choice.m
            times *= 1 if last_c else shape.C // depth
            size = bursts(m * c * one, array)
            total, cycles = total + times * size, cycles + times * transfer(size, array)
    times = shape.groups
    if not weights_held(shape, choice):
        times *= over(shape.images, choice.n) * over(shape.P, choice.e)
    return total * times, cycles * times


@helper
def last_step(shape: Shape, array: Array, choice: Choice, table: np.ndarray) -> int:
    """Cycles of the last step, see ``busy_cycles`` for ``table``."""
    m, c = (shape.K - 1) % choice.m + 1, shape.C % (choice.q * choice.r)
    kind = 2 * min(shape.images % choice.n, 1) + min(shape.P % choice.e, 1)
    at_c = 0 if choice.q * choice.r >= shape.C else 1 + min(c, 1)
    fresh = 0 if weights_held(shape, choice) else 1
    length = step_cycles(table, choice.p * choice.t, m, (kind, at_c), fresh)
    return length + last_drain(shape, array, choice)


@helper
def first_load(
    shape: Shape, array: Array, choice: Choice, maps: Bytes, filters: int
) -> tuple[int, int]:
    """Bytes of inputs and of weights that a first step of so many filters waits for."""
    c, m = min(choice.q * choice.r, shape.C), min(filters, shape.K)
    inputs = block(maps.inputs[0], 0, min(choice.n, shape.images), 0, c)
    weights = m * c * shape.R * shape.S * array.word
    return bursts(inputs, array), bursts(weights, array)


@helper
def last_store(shape: Shape, choice: Choice, maps: Bytes) -> int:
    """Bytes of outputs of the last step."""
    n = (shape.images - 1) // choice.n * choice.n
    m = (shape.K - 1) // choice.m * choice.m
    place = (shape.groups - 1) * shape.K + m
    return block(maps.outputs[-1], n, shape.images - n, place, shape.K - m)


@helper
def least(
    shape: Shape,
    array: Array,
    choice: Choice,
    maps: Bytes,
    table: np.ndarray,
    busy: int,
    smallest: int,
) -> tuple[int, int, int]:
    """Bounds on the (cycles, bytes) of ``measure``, of which the array works ``busy`` cycles.

    The third is a bound on the cycles of all m up to that of ``choice``.

    The array works after its first load and before its last store; the DRAM serves all requests
    one after the other.  Without overlap inputs and outputs move while the array does nothing.
    Where ``smallest`` is not 0 the bounds hold for all m from ``smallest`` to that of ``choice``.
    """
    blocks_c, blocks_m = over(shape.C, choice.q * choice.r), over(shape.K, choice.m)
    sweeps = shape.groups * over(shape.images, choice.n)
    again = blocks_m if blocks_c > 1 else 1
    loads, stores = sweeps * maps.sure_in * blocks_c * again, sweeps * maps.sure_out * blocks_m
    fetched = sweeps * over(shape.P, choice.e) * blocks_m * blocks_c
    if weights_held(shape, choice):
        fetched = shape.groups
    weights, link = weight_loads(shape, array, choice)
    last = last_step(shape, array, choice, table)
    if smallest:
        weights, last = weights - fetched * array.burst, 0
        link = transfer(weights, array)
    inputs = max(maps.total_in * again, loads * array.burst)
    outputs = max(maps.total_out, stores * array.burst)
    first_in, first_w = first_load(shape, array, choice, maps, smallest or choice.m)
    maps_in = transfer(inputs, array)
    out = stores * array.latency + transfer(outputs, array)
    if not array.overlap:
        link += fetched * array.latency
        alone = maps_in + loads * array.latency + out
        link += alone
        cycles = max(alone + busy + served(first_w, array), link + last)
    else:
        tail = 0
        if smallest == 0:
            tail = served(bursts(last_store(shape, choice, maps), array), array)
        link += max(fetched, loads) * array.latency + maps_in - 1
        cycles = max(served(first_in + first_w, array) + busy + tail, link + max(tail, out))
        cycles = max(cycles, link + last + (out if blocks_c > 1 else tail))
        link += out
    return cycles, weights + inputs + outputs, link


@helper
def roughly(shape: Shape, array: Array, maps: Bytes, choice: Choice) -> tuple[int, int, int]:
    """Bounds on (cycles, movement, cycles of the array).

    They hold for any m, and for no larger t and p than these.
    """
    blocks_n, strips = over(shape.images, choice.n), over(shape.P, choice.e)
    blocks_c, sweeps = over(shape.C, choice.q * choice.r), shape.groups * blocks_n
    passes = over(shape.K, choice.p * choice.t)
    held = blocks_c * passes == 1
    once = shape.K * shape.C * shape.R * shape.S
    weights = once if held else once * blocks_n * strips
    windows = shape.images * shape.Q
    busy = windows * strips * over(shape.K, choice.t) * over(shape.C, choice.r) * shape.S
    psums = shape.K * shape.P * (windows - blocks_n) * blocks_c
    inputs = shape.images * shape.C * maps.sent * shape.columns
    busy = max(busy, max(psums // array.psum_bus, inputs * passes // array.ifmap_bus))
    busy = shape.groups * max(busy, weights // array.filter_bus)
    link = transfer(shape.groups * weights * array.word, array)
    if not held:
        link += sweeps * strips * blocks_c * array.latency
    moved = transfer(maps.total_in, array) + transfer(maps.total_out, array) - 1
    cycles = max(busy, link + moved) if array.overlap else max(busy, link) + moved
    outputs = shape.images * shape.K * shape.P * shape.Q
    words = weights + shape.images * shape.C * maps.loaded * shape.W + outputs
    link_words = outputs * blocks_c * (shape.R * min(choice.r, shape.C) - 1)
    glb = 2 * blocks_c * outputs + inputs * passes
    return cycles, 200 * words + 6 * glb + 2 * link_words, busy


class Best(NamedTuple):
    """The best so far: ``found`` int64 (7,) its mapping, ``costs`` int64 (3,) in their order.

    ``cap`` is int64 (1,), the DRAM bytes that no mapping may exceed.  ``table`` and ``other`` are
    room for the lengths of passes, see ``busy_cycles``.
    """

    found: np.ndarray
    costs: np.ndarray
    cap: np.ndarray
    table: np.ndarray
    other: np.ndarray


@helper
def loses(array: Array, cycles: int, moved: int, words: int, best: Best) -> bool:
    """Whether a mapping of these costs, or of higher ones, is no better than the best."""
    if moved > best.cap[0]:
        return True
    costs = (words, cycles, moved) if array.energy_first else (cycles, moved, words)
    for at in range(3):
        if costs[at] != best.costs[at]:
            return bool(costs[at] > best.costs[at])
    return True


@helper
def take(array: Array, choice: Choice, cycles: int, moved: int, words: int, best: Best) -> None:
    """Keep a mapping if it is better; of equal ones the first that was found stays."""
    if loses(array, cycles, moved, words, best):
        return
    costs = (words, cycles, moved) if array.energy_first else (cycles, moved, words)
    for at in range(3):
        best.costs[at] = costs[at]
    for at in range(7):
        best.found[at] = choice[at]


@helper
def worthwhile(shape: Shape, array: Array, choice: Choice, busy: int, best: Best) -> int:
    """Filters whose weights the first step can wait for without losing; all where that is free."""
    spare = best.costs[0] - busy - array.latency
    if array.energy_first or spare > MOST // array.cycles_den:
        return shape.K + choice.m
    one = min(choice.q * choice.r, shape.C) * shape.R * shape.S * array.word
    most = max(0, spare) * array.cycles_den // array.cycles_num // one
    return shape.K + choice.m if most >= shape.K else most


@helper
def idle_rows(shape: Shape, array: Array, choice: Choice, busy: int, best: Best) -> bool:
    """Whether fewer sets r with more turns q take as many cycles.

    No pass gets longer with more sets, so equal sums are equal passes; psums travel less far.
    """
    turns = min(array.ifmap_spad // shape.window, array.filter_spad // (choice.p * shape.S))
    r = min(choice.r, shape.C)
    for d in range(2, turns // choice.q + 1):
        if d > r:
            return False
        if choice.r % d == 0:
            q, r = choice.q * d, choice.r // d
            one = Choice(choice.m, choice.n, choice.e, choice.p, q, r, choice.t)
            return busy_cycles(shape, array, one, best.other) == busy
    return False


@helper
def try_filters(
    shape: Shape, array: Array, maps: Bytes, choice: Choice, even: bool, best: Best
) -> None:
    """All sizes m that go with the others; ``choice`` holds the smallest, p x t."""
    if fits(shape, array, choice):
        return
    size, blocks = choice.m, over(shape.K, choice.m)
    busy = busy_cycles(shape, array, choice, best.table)
    most = min(
        filters_held(shape, array, choice), worthwhile(shape, array, choice, busy, best) // size
    )
    many = largest(blocks, most, even)
    smallest = size
    while many > 0:
        one = Choice(many * size, choice.n, choice.e, choice.p, choice.q, choice.r, choice.t)
        cycles, moved, link = least(shape, array, one, maps, best.table, busy, smallest)
        words = movement(shape, one, maps.loaded, maps.sent)
        if not loses(array, cycles, moved, words, best):
            if smallest:
                if idle_rows(shape, array, choice, busy, best):
                    return
                smallest = 0
                continue
            limit = MOST if array.energy_first else best.costs[0]
            cycles, moved = measure(shape, array, one, maps, best.table, busy, limit)
            take(array, one, cycles, moved, words, best)
        elif smallest or (words if array.energy_first else link) > best.costs[0]:
            return
        many = following(blocks, many, even)


@helper
def wasteful(p: int, t: int, most_t: int) -> bool:
    """Whether as many filters fit with fewer turns p and more sets t.

    Then every pass is at least as short, and moves the same.
    """
    for d in range(2, most_t // t + 1):
        if p % d == 0:
            return True
        if d >= p:
            return False
    return False


@helper
def promising(shape: Shape, array: Array, maps: Bytes, choice: Choice, best: Best) -> int:
    """The most filters p x t with which no larger t and p than these can win, 0 for none."""
    cycles, words, busy = roughly(shape, array, maps, choice)
    if (words if array.energy_first else cycles) > best.costs[0]:
        return 0
    return worthwhile(shape, array, choice, busy, best)


@helper
def try_channels(
    shape: Shape, array: Array, maps: Bytes, n: int, e: int, r: int, even: bool, best: Best
) -> None:
    """All q, t and p that go with n images, e rows and r stacked sets."""
    sets = stacked_sets(shape, array, e) // r * max(1, array.columns // e)
    most_t = min(shape.K, sets)
    q = largest(over(shape.C, r), array.ifmap_spad // shape.window, even)
    while q > 0:
        most_p = min(array.psum_spad, array.filter_spad // (q * shape.S))
        t = most_t if most_p > 0 else 0
        while t > 0:
            p = largest(over(shape.K, t), most_p, even)
            most = promising(shape, array, maps, Choice(shape.K, n, e, p, q, r, t), best)
            if most == 0:
                break
            p = largest(over(shape.K, t), min(p, most // t), even)
            while p > 0:
                choice = Choice(p * t, n, e, p, q, r, t)
                if promising(shape, array, maps, choice, best) == 0:
                    break
                if not wasteful(p, t, most_t):
                    try_filters(shape, array, maps, choice, even, best)
                p = following(over(shape.K, t), p, even)
            t = t // 2 if even else t - 1
        q = following(over(shape.C, r), q, even)


@helper
def least_work(shape: Shape, array: Array, e: int) -> int:
    """Cycles of the multiplications with strips of e rows."""
    least = MOST
    for r in range(1, min(shape.C, stacked_sets(shape, array, e)) + 1):
        t = min(shape.K, stacked_sets(shape, array, e) // r * max(1, array.columns // e))
        least = min(least, over(shape.K, t) * over(shape.C, r))
    return least * shape.groups * shape.images * shape.Q * over(shape.P, e) * shape.S


@helper
def try_known(shape: Shape, array: Array, stored: Stored, known: np.ndarray, best: Best) -> None:
    """Mappings that are worth a look before all others."""
    for at in range(known.shape[0]):
        m, n, e, p, q, r, t = known[at]
        choice = Choice(m, n, e, p, q, r, t)
        maps = bytes_of_strips(shape, array, stored, e)
        busy = busy_cycles(shape, array, choice, best.table)
        cycles, moved = measure(shape, array, choice, maps, best.table, busy, MOST)
        if fits(shape, array, choice) == 0:
            words = movement(shape, choice, maps.loaded, maps.sent)
            take(array, choice, cycles, moved, words, best)


@kernel
def search(shape: Shape, array: Array, stored: Stored, known: np.ndarray, best: Best) -> None:
    """The best mapping into ``best``, whose costs are those to be beaten; ``known`` int64 (n, 7).

    Leaves ``best.found`` as it is where no mapping is better.
    """
    try_known(shape, array, stored, known, best)
    for even in (True, False):
        e = largest(shape.P, array.columns * (array.rows // shape.R), even)
        while e > 0:
            if array.energy_first or least_work(shape, array, e) <= best.costs[0]:
                maps = bytes_of_strips(shape, array, stored, e)
                n = shape.images
                while n > 0:
                    r = largest(shape.C, stacked_sets(shape, array, e), even)
                    while r > 0:
                        try_channels(shape, array, maps, n, e, r, even, best)
                        r = following(shape.C, r, even)
                    n = following(shape.images, n, even)
            e = following(shape.P, e, even)
