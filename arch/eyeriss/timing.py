"""What a mapping really takes: its steps one after the other behind the DRAM, in compiled code.

The cycles and bytes are those of ``arch.eyeriss.plan`` and ``arch.memory.schedule``, integer by
integer; the search asks for them thousands of times.
"""

from typing import NamedTuple

import numpy as np

from arch.eyeriss.kernels import (
    Array,
    Choice,
    Shape,
    dram_rows,
    over,
    pass_cycles,
    pass_total,
    taps,
)
from arch.jit import kernel

WORD_BYTES = 8  # of a coded stream
MOST = np.iinfo(np.int64).max


class Stored(NamedTuple):
    """Feature maps in DRAM: pairs before each row, int64 (N, C, H + 1) and (N, K, P + 1).

    Where ``inputs_coded`` or ``outputs_coded`` is 0 the map lies there word by word and its
    array is empty.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    inputs_coded: int
    outputs_coded: int


class Bytes(NamedTuple):
    """The maps cut into strips, bytes summed up: int64 (strips, N + 1, channels + 1) each.

    ``total_in`` and ``total_out`` are all of one sweep over the layer; ``sure_in`` and
    ``sure_out`` count the strips of which every plane moves something; ``loaded`` input rows of a
    plane come from DRAM in one sweep, ``sent`` go from the GLB to the array.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    total_in: int
    total_out: int
    sure_in: int
    sure_out: int
    loaded: int
    sent: int


@kernel()
def words_read(pairs: np.ndarray, low: int, high: int, per_word: int) -> int:
    """Words that hold the pairs of rows low..high of one plane, see ``coding.read_bytes``."""
    first, last = pairs[low], pairs[high]
    return over(last, per_word) - first // per_word if last > first else 0


@kernel()
def words_written(pairs: np.ndarray, low: int, high: int, per_word: int) -> int:
    """Words that rows low..high of one plane fill up, see ``coding.written_bytes``."""
    filled = pairs[high] // per_word if high < pairs.size - 1 else over(pairs[high], per_word)
    return filled - pairs[low] // per_word


@kernel()
def input_bytes(
    shape: Shape, array: Array, stored: Stored, n: int, c: int, rows: tuple[int, int]
) -> int:
    """Bytes that rows ``rows[0]`` to ``rows[1]`` of an input plane take."""
    low, high = rows
    if stored.inputs_coded:
        return WORD_BYTES * words_read(stored.inputs[n, c], low, high, array.per_word)
    return (high - low) * shape.W * array.word


@kernel()
def output_bytes(
    shape: Shape, array: Array, stored: Stored, n: int, k: int, rows: tuple[int, int]
) -> int:
    """Bytes that these rows of an output plane take."""
    low, high = rows
    if stored.outputs_coded:
        return WORD_BYTES * words_written(stored.outputs[n, k], low, high, array.per_word)
    return (high - low) * shape.Q * array.word


@kernel()
def bytes_of_strips(shape: Shape, array: Array, stored: Stored, e: int) -> Bytes:
    """The maps cut into strips of ``e`` output rows."""
    strips = over(shape.P, e)
    channels, filters = shape.C * shape.groups, shape.K * shape.groups
    inputs = np.zeros((strips, shape.images + 1, channels + 1), np.int64)
    outputs = np.zeros((strips, shape.images + 1, filters + 1), np.int64)
    sure_in, sure_out, loaded, sent = 0, 0, 0, 0
    for strip in range(strips):
        below = (strip * e, min((strip + 1) * e, shape.P))
        above = dram_rows(shape, below[0], below[1])
        loaded += above[1] - above[0]
        sent += taps(below[1] - below[0], shape.R, shape.stride, shape.dilation)
        least_in, least_out = 1, 1
        for n in range(shape.images):
            line = 0
            for c in range(channels):
                size = input_bytes(shape, array, stored, n, c, above)
                line, least_in = line + size, min(least_in, size)
                inputs[strip, n + 1, c + 1] = inputs[strip, n, c + 1] + line
            line = 0
            for k in range(filters):
                size = output_bytes(shape, array, stored, n, k, below)
                line, least_out = line + size, min(least_out, size)
                outputs[strip, n + 1, k + 1] = outputs[strip, n, k + 1] + line
        sure_in, sure_out = sure_in + least_in, sure_out + least_out
    total_in, total_out = inputs[:, -1, -1].sum(), outputs[:, -1, -1].sum()
    return Bytes(inputs, outputs, total_in, total_out, sure_in, sure_out, loaded, sent)


@kernel()
def block(summed: np.ndarray, n: int, images: int, c: int, channels: int) -> int:
    """Bytes of a block of images and channels of one strip."""
    last_n, last_c = n + images, c + channels
    upper = summed[last_n, last_c] - summed[n, last_c]
    return upper - summed[last_n, c] + summed[n, c]


@kernel()
def bursts(size: int, array: Array) -> int:
    """Bytes on the DRAM bus."""
    return over(size, array.burst) * array.burst


@kernel()
def transfer(size: int, array: Array) -> int:
    """Cycles of so many bytes without latency; a guess where the exact product is too wide."""
    if size <= MOST // array.cycles_num:
        return over(size * array.cycles_num, array.cycles_den)
    return int(float(size) * array.cycles_num / array.cycles_den)


@kernel()
def served(size: int, array: Array) -> int:
    """Cycles of a request for so many bytes, 0 for none."""
    return array.latency + transfer(size, array) if size > 0 else 0


@kernel()
def weights_held(shape: Shape, choice: Choice) -> bool:
    """Whether one pass does a whole strip, so that the spads keep the weights of a group."""
    return choice.q * choice.r >= shape.C and choice.p * choice.t >= shape.K


@kernel()
def last_drain(shape: Shape, array: Array, choice: Choice) -> int:
    """Cycles in which the psums of the very last window leave the array."""
    filters = (shape.K - 1) % choice.m + 1
    filters = (filters - 1) % (choice.p * choice.t) + 1
    rows = (shape.P - 1) % choice.e + 1
    return over(filters * rows, array.psum_bus)


@kernel()
def part(total: int, size: int, at: int) -> int:
    """Size of block ``at`` of an axis."""
    return min(size, total - at * size)


@kernel()
def busy_cycles(shape: Shape, array: Array, choice: Choice) -> int:
    """Cycles of the array without any wait for DRAM."""
    return shape.groups * pass_total(shape, array, choice) + last_drain(shape, array, choice)


@kernel()
def pass_lengths(shape: Shape, array: Array, choice: Choice, table: np.ndarray) -> None:
    """Cycles of every kind of pass into int64 (2, 2, 2, 3, 2).

    By images, rows, filters (a whole block, the rest), channels (the first block, a whole one
    behind it, the rest) and whether the weights are fetched; 0 where there is no such pass.
    """
    size, depth = choice.p * choice.t, choice.q * choice.r
    for at_n in range(2):
        n = shape.images % choice.n if at_n else min(choice.n, shape.images)
        for at_e in range(2):
            e = shape.P % choice.e if at_e else min(choice.e, shape.P)
            for at_k in range(2):
                k = shape.K % size if at_k else min(size, shape.K)
                for at_c in range(3):
                    c = shape.C % depth if at_c == 2 else min(depth, shape.C)
                    for fresh in range(2):
                        found = 0
                        if n * e * k * c > 0:
                            more = int(at_c > 0)
                            _, fill, stream = pass_cycles(
                                shape, array, choice, n, e, c, k, more, fresh
                            )
                            found = fill + stream
                        table[at_n, at_e, at_k, at_c, fresh] = found


class Clock(NamedTuple):
    """The server of ``arch.memory.schedule`` behind one step, times in cycles.

    ``loaded`` and ``ahead`` are when the data of the next step and of the one behind it are
    there, ``end`` when the step ended, ``stored`` and ``stored_before`` when the outputs of this
    step and of the one before were gone, ``latest`` the end of everything so far.
    """

    server: int
    loaded: int
    ahead: int
    end: int
    stored: int
    stored_before: int
    latest: int


@kernel()
def run_step(clock: Clock, length: int, store: int, load: int) -> Clock:
    """A step of ``length`` cycles; ``store`` and ``load`` are the cycles of the requests behind it.

    The load is that of two steps later.
    """
    end = max(clock.end, max(clock.loaded, clock.stored_before)) + length
    server, stored, ahead = clock.server, end, end
    if store > 0:
        server = max(server, end) + store
        stored = server
    if load > 0:
        server = max(server, end) + load
        ahead = server
    latest = max(clock.latest, stored)
    return Clock(server, clock.ahead, ahead, end, stored, clock.stored, latest)


class Queue(NamedTuple):
    """Steps that wait for a step two places behind them: how many, lengths and stores."""

    entered: int
    length: int
    store: int
    length_before: int
    store_before: int


@kernel()
def enter(clock: Clock, queue: Queue, length: int, store: int, load: int) -> tuple[Clock, Queue]:
    """A step arrives with the cycles of its requests; the one two places before it runs."""
    if queue.entered >= 2:
        clock = run_step(clock, queue.length_before, queue.store_before, load)
    else:  # the first two loads wait for nothing
        server = clock.server + load
        there = server if load > 0 else 0
        loaded = there if queue.entered == 0 else clock.loaded
        clock = Clock(server, loaded, there, 0, 0, 0, 0)
    return clock, Queue(queue.entered + 1, length, store, queue.length, queue.store)


@kernel()
def measure(
    shape: Shape, array: Array, choice: Choice, maps: Bytes, busy: int, limit: int
) -> tuple[int, int]:
    """(cycles, DRAM bytes) of all groups, stalls and whole bursts included.

    ``busy`` are the cycles of the array, see ``busy_cycles``.  Where there will be more than
    ``limit`` cycles the rest is not worked out, and the cycles are more than ``limit``.
    """
    table = np.zeros((2, 2, 2, 3, 2), np.int64)
    pass_lengths(shape, array, choice, table)
    size, depth = choice.p * choice.t, choice.q * choice.r
    blocks_c, blocks_m = over(shape.C, depth), over(shape.K, choice.m)
    held = weights_held(shape, choice)
    one = shape.R * shape.S * array.word
    clock, queue = Clock(0, 0, 0, 0, 0, 0, 0), Queue(0, 0, 0, 0, 0)
    moved, left = 0, busy
    for g in range(shape.groups):
        for b in range(over(shape.images, choice.n)):
            n = part(shape.images, choice.n, b)
            at_n = int(n < choice.n)
            for strip in range(over(shape.P, choice.e)):
                at_e = int(part(shape.P, choice.e, strip) < choice.e)
                fresh = int(not held or (b == 0 and strip == 0))
                for block_m in range(blocks_m):
                    m = part(shape.K, choice.m, block_m)
                    for block_c in range(blocks_c):
                        c = part(shape.C, depth, block_c)
                        at_c = 0 if block_c == 0 else (1 if c == depth else 2)
                        length = m // size * table[at_n, at_e, 0, at_c, fresh]
                        if m % size > 0:
                            length += table[at_n, at_e, 1, at_c, fresh]
                        weights, inputs, store = bursts(fresh * m * c * one, array), 0, 0
                        if blocks_c > 1 or block_m == 0:
                            first = g * shape.C + block_c * depth
                            inputs = block(maps.inputs[strip], b * choice.n, n, first, c)
                            inputs = bursts(inputs, array)
                        if block_c == blocks_c - 1:
                            first = g * shape.K + block_m * choice.m
                            store = block(maps.outputs[strip], b * choice.n, n, first, m)
                            store = bursts(store, array)
                        moved += weights + inputs + store
                        left -= length
                        if not array.overlap:
                            clock, queue = enter(clock, queue, 0, 0, served(weights, array))
                            weights = 0
                        load = served(weights + inputs, array)
                        clock, queue = enter(clock, queue, length, served(store, array), load)
                        if clock.end + left > limit:
                            return clock.end + left, moved
    clock = run_step(clock, queue.length_before, queue.store_before, 0)
    drain = last_drain(shape, array, choice)
    clock = run_step(clock, queue.length + drain, queue.store, 0)
    return max(clock.latest, clock.end), moved
