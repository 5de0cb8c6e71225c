"""What a mapping really takes: its steps one after the other behind the DRAM, in compiled code.

The cycles and bytes are those of ``arch.eyeriss.plan`` and ``arch.memory.schedule``, integer by
integer; the search asks for them thousands of times.

``arch.memory.schedule`` has a closed form.  With lengths l and loads L and stores S in cycles,

    start(n+1) = start(n) + max(l(n), S(n-1) + L(n+1)),    start(0) = L(0)

because whatever a step waited for left the server just when the step began: at start(n) the
server is free, and has S(n-1) and L(n+1) to do.  The layer ends S(N-1) after its last step, or
S(N-2) after that step began.  So steps add up in any order, and equal rows of steps count once.
Without overlap an empty step that loads the weights stands before each step that loads inputs.

Rule: specification/eyeriss.md, EYE-7.
"""

from typing import Any, NamedTuple

import numpy as np

from arch.eyeriss.kernels import (
    Array,
    Choice,
    Shape,
    dram_rows,
    over,
    pass_cycles,
    taps,
)
from arch.jit import helper

WORD_BYTES = 8  # of a coded stream
# typed, so that a kernel called with them is not compiled for that very number
MOST: Any = np.int64(np.iinfo(np.int64).max)
NONE: Any = np.int64(0)
PASS_KINDS = (2, 2, 2, 3, 2)  # the table of ``busy_cycles``


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


@helper
def words_read(pairs: np.ndarray, low: int, high: int, per_word: int) -> int:
    """Words that hold the pairs of rows low..high of one plane, see ``coding.read_bytes``."""
    first, last = pairs[low], pairs[high]
    return over(last, per_word) - first // per_word if last > first else 0


@helper
def words_written(pairs: np.ndarray, low: int, high: int, per_word: int) -> int:
    """Words that rows low..high of one plane fill up, see ``coding.written_bytes``."""
    filled = pairs[high] // per_word if high < pairs.size - 1 else over(pairs[high], per_word)
    return filled - pairs[low] // per_word


@helper
def input_bytes(
    shape: Shape, array: Array, stored: Stored, n: int, c: int, rows: tuple[int, int]
) -> int:
    """Bytes that rows ``rows[0]`` to ``rows[1]`` of an input plane take."""
    low, high = rows
    if stored.inputs_coded:
        return WORD_BYTES * words_read(stored.inputs[n, c], low, high, array.per_word)
    return (high - low) * shape.W * array.word


@helper
def output_bytes(
    shape: Shape, array: Array, stored: Stored, n: int, k: int, rows: tuple[int, int]
) -> int:
    """Bytes that these rows of an output plane take."""
    low, high = rows
    if stored.outputs_coded:
        return WORD_BYTES * words_written(stored.outputs[n, k], low, high, array.per_word)
    return (high - low) * shape.Q * array.word


@helper
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


@helper
def block(summed: np.ndarray, n: int, images: int, c: int, channels: int) -> int:
    """Bytes of a block of images and channels of one strip."""
    last_n, last_c = n + images, c + channels
    upper = summed[last_n, last_c] - summed[n, last_c]
    return upper - summed[last_n, c] + summed[n, c]


@helper
def bursts(size: int, array: Array) -> int:
    """Bytes on the DRAM bus."""
    return over(size, array.burst) * array.burst


@helper
def transfer(size: int, array: Array) -> int:
    """Cycles of so many bytes without latency; a guess where the exact product is too wide."""
    if size <= MOST // array.cycles_num:
        return over(size * array.cycles_num, array.cycles_den)
    return int(float(size) * array.cycles_num / array.cycles_den)


@helper
def served(size: int, array: Array) -> int:
    """Cycles of a request for so many bytes, 0 for none."""
    return array.latency + transfer(size, array) if size > 0 else 0


@helper
def weights_held(shape: Shape, choice: Choice) -> bool:
    """Whether one pass does a whole strip, so that the spads keep the weights of a group."""
    return choice.q * choice.r >= shape.C and choice.p * choice.t >= shape.K


@helper
def last_drain(shape: Shape, array: Array, choice: Choice) -> int:
    """Cycles in which the psums of the very last window leave the array."""
    filters = (shape.K - 1) % choice.m + 1
    filters = (filters - 1) % (choice.p * choice.t) + 1
    rows = (shape.P - 1) % choice.e + 1
    return over(filters * rows, array.psum_bus)


@helper
def part(total: int, size: int, at: int) -> int:
    """Size of block ``at`` of an axis."""
    return min(size, total - at * size)


@helper
def cut(total: int, size: int, rest: int) -> tuple[int, int]:
    """(size, number) of the whole blocks of an axis, or of what is left behind them."""
    left = total % size
    if rest:
        return left, min(left, 1)
    return min(size, total), total // size


@helper
def busy_cycles(shape: Shape, array: Array, choice: Choice, table: np.ndarray) -> int:
    """Cycles of the array without any wait for DRAM; those of every kind of pass into ``table``.

    ``table`` is int64 (2, 2, 2, 3, 2): by images, rows, filters (a whole block, the rest),
    channels (the first block, a whole one behind it, the rest) and whether weights are fetched.
    """
    size, depth = choice.p * choice.t, choice.q * choice.r
    held = weights_held(shape, choice)
    total = 0
    for kind in range(24):
        at_n, at_e, at_k, at_c = kind // 12, kind // 6 % 2, kind // 3 % 2, kind % 3
        n, times = cut(shape.images, choice.n, at_n)
        e, times_e = cut(shape.P, choice.e, at_e)
        k, times_k = cut(shape.K, size, at_k)
        c, times_c = cut(shape.C, depth, at_c // 2)
        if at_c == 0:
            times_c = 1
        elif at_c == 1:
            times_c -= 1
        elif depth >= shape.C:
            times_c = 0
        times *= times_e * times_k * max(0, times_c)
        if times == 0:
            continue
        more = min(at_c, 1)
        for fresh in range(1 - int(held), 2):
            _, fill, stream = pass_cycles(shape, array, choice, n, e, c, k, more, fresh)
            table[at_n, at_e, at_k, at_c, fresh] = fill + stream
        total += times * table[at_n, at_e, at_k, at_c, 1 - int(held)]
    if held:
        at_n, at_e = int(choice.n > shape.images), int(choice.e > shape.P)
        kind_of = table[at_n, at_e, int(size > shape.K), 0]
        total += kind_of[1] - kind_of[0]
    return shape.groups * total + last_drain(shape, array, choice)


@helper
def between(array: Array, length: int, stores: tuple[int, int], load: tuple[int, int]) -> int:
    """Cycles from the start of a step of ``length`` cycles to the start of the next one.

    ``stores`` are the cycles of the stores of the step before it and of its own, ``load`` the
    bytes of weights and inputs that the next one loads, whole bursts.
    """
    if array.overlap:
        return max(length, stores[0] + served(load[0] + load[1], array))
    return max(length, served(load[0], array)) + stores[1] + served(load[1], array)


class Row(NamedTuple):
    """The steps of a block of filters in one strip, its first step counted apart.

    ``weights`` and ``inputs`` are what the first and the second step load, in bytes; ``last`` the
    cycles of the last step, ``length`` of all; ``inside`` the cycles from the start of the second
    step to that of the last; ``moved`` all bytes loaded.
    """

    weights: int
    inputs: int
    next_weights: int
    next_inputs: int
    first: int
    last: int
    length: int
    inside: int
    moved: int


@helper
def step_cycles(table: np.ndarray, size: int, m: int, at: tuple[int, int], fresh: int) -> int:
    """Cycles of a step of m filters; ``at`` are the kinds of its images and rows, its channels."""
    kinds, at_c = table[at[0] // 2, at[0] % 2], at[1]
    length: int = m // size * kinds[0, at_c, fresh]
    if m % size > 0:
        length += kinds[1, at_c, fresh]
    return length


@helper
def row_of_steps(
    shape: Shape,
    array: Array,
    choice: Choice,
    summed: np.ndarray,
    table: np.ndarray,
    place: tuple[int, int, int],
    sizes: tuple[int, int],
    fresh: int,
) -> Row:
    """The steps of ``sizes[1]`` filters with ``sizes[0]`` images.

    ``summed`` are the input bytes of the strip; ``place`` is the first image, the first channel and
    the kind of images and rows.
    """
    n, m = sizes
    size, depth = choice.p * choice.t, choice.q * choice.r
    one = fresh * m * shape.R * shape.S * array.word
    c = min(depth, shape.C)
    weights = bursts(c * one, array)
    inputs = bursts(block(summed, place[0], n, place[1], c), array)
    first = step_cycles(table, size, m, (place[2], NONE), fresh)
    next_weights, next_inputs, last, length, inside = weights, inputs, first, first, NONE
    moved = weights + inputs
    for at in range(1, over(shape.C, depth)):
        c = part(shape.C, depth, at)
        more_weights = bursts(c * one, array)
        more_inputs = bursts(block(summed, place[0], n, place[1] + at * depth, c), array)
        if at == 1:
            next_weights, next_inputs = more_weights, more_inputs
        else:
            inside += between(array, last, (NONE, NONE), (more_weights, more_inputs))
        last = step_cycles(table, size, m, (place[2], 1 + int(c < depth)), fresh)
        length, moved = length + last, moved + more_weights + more_inputs
    return Row(weights, inputs, next_weights, next_inputs, first, last, length, inside, moved)


@helper
def measure(
    shape: Shape,
    array: Array,
    choice: Choice,
    maps: Bytes,
    table: np.ndarray,
    busy: int,
    limit: int,
) -> tuple[int, int]:
    """(cycles, DRAM bytes) of all groups, stalls and whole bursts included.

    ``busy`` and ``table`` are those of ``busy_cycles``.  Where there will be more than ``limit``
    cycles the rest is not worked out, and the cycles are more than ``limit``.
    """
    held, many = weights_held(shape, choice), choice.q * choice.r < shape.C
    blocks_m = over(shape.K, choice.m)
    cycles, moved, left = 0, 0, busy
    length, before, own = 0, 0, 0  # of the step that runs: cycles, the stores before and behind
    for g in range(shape.groups):
        for b in range(over(shape.images, choice.n)):
            n = part(shape.images, choice.n, b)
            for strip in range(over(shape.P, choice.e)):
                kind = 2 * int(n < choice.n) + int(part(shape.P, choice.e, strip) < choice.e)
                fresh = int(not held or (b == 0 and strip == 0))
                place = (b * choice.n, g * shape.C, kind)
                m = min(choice.m, shape.K)
                row = row_of_steps(
                    shape, array, choice, maps.inputs[strip], table, place, (n, m), fresh
                )
                for block_m in range(blocks_m):
                    if block_m > 0 and part(shape.K, choice.m, block_m) < m:
                        m = part(shape.K, choice.m, block_m)
                        row = row_of_steps(
                            shape, array, choice, maps.inputs[strip], table, place, (n, m), fresh
                        )
                    there = block_m > 0 and not many  # the inputs
                    inputs = 0 if there else row.inputs
                    cycles += between(array, length, (before, own), (row.weights, inputs))
                    length, before = row.first, own
                    if many:
                        load = (row.next_weights, row.next_inputs)
                        cycles += between(array, length, (before, NONE), load) + row.inside
                        length, before = row.last, NONE
                    first = g * shape.K + block_m * choice.m
                    store = block(maps.outputs[strip], place[0], n, first, m)
                    store = bursts(store, array)
                    own = served(store, array)
                    moved += row.moved + store - (row.inputs if there else 0)
                    left -= row.length
                    if cycles + length + left > limit:
                        return cycles + length + left, moved
    length += last_drain(shape, array, choice)
    return (max(length, before) if array.overlap else length) + cycles + own, moved
