"""Compiled rules of row stationary: what one pass takes, what a mapping costs, the best mapping.

A processing pass holds ``c`` channels and ``k`` filters of ``n`` images on the array and makes
``e`` output rows of each.  A PE multiplies one filter row with one input row: for each of the Q
output columns a *window* of ceil(k / t) x ceil(c / r) x S multiplications, one per cycle.

The buses feed all PEs at once, several words per cycle, and each word is sent once:

fill    the first window lasts until its last operand is there: all weights of the pass, the first
        S input columns, the first psums
stream  the other windows last until their inputs and psums have come, and those before them gone

Everything is an integer, so that the search and the plan add up to the same cycles.

Rule: specification/eyeriss.md, EYE-6.
"""

from typing import NamedTuple

import numpy as np

from arch.jit import helper, kernel

# columns of what ``step_counts`` writes
LENGTH, USED, FILL, BUS = 0, 1, 2, 3
WEIGHTS, INPUTS, PSUMS_IN, PSUMS_OUT, LINK = 4, 5, 6, 7, 8
IFMAP_WRITES, FILTER_WRITES = 9, 10
INPUT_ACCESSES, PSUM_IN_ACCESSES, PSUM_OUT_ACCESSES, WEIGHT_ACCESSES = 11, 12, 13, 14
PASSES, CHAINED = 15, 16
COUNTS = 17


class Shape(NamedTuple):
    """One group of a layer: C channels, K filters, ``images``; ``columns`` of input it reads.

    ``stride`` and ``dilation`` are those of rows; ``window`` is a kernel's reach in an input row.
    """

    C: int
    K: int
    H: int
    W: int
    P: int
    Q: int
    R: int
    S: int
    stride: int
    dilation: int
    top: int
    columns: int
    window: int
    images: int
    groups: int


class Array(NamedTuple):
    """The numbers of the machine that the rules need; bytes, words and words per cycle."""

    rows: int
    columns: int
    ifmap_spad: int
    filter_spad: int
    psum_spad: int
    banks: int
    bank_bytes: int
    filter_glb_bytes: int
    port_bytes: int
    word: int
    psum: int
    filter_bus: int
    ifmap_bus: int
    psum_bus: int
    copies: int
    cycles_num: int
    cycles_den: int
    latency: int
    burst: int
    per_word: int
    overlap: int
    energy_first: int


class Choice(NamedTuple):
    """A mapping, see ``arch.eyeriss.mapping``."""

    m: int
    n: int
    e: int
    p: int
    q: int
    r: int
    t: int


@helper
def over(size: int, part: int) -> int:
    """size / part, rounded up."""
    return -(-size // part)


@helper
def taps(outputs: int, reach: int, stride: int, dilation: int) -> int:
    """Different input rows (or columns) under so many outputs and ``reach`` kernel rows."""
    apart = 1  # outputs whose inputs are a whole number of kernel taps apart
    while (stride * apart) % dilation != 0:
        apart += 1
    again = max(0, outputs - apart) * max(0, reach - stride * apart // dilation)
    return outputs * reach - again


@helper
def pass_cycles(
    shape: Shape,
    array: Array,
    choice: Choice,
    n: int,
    e: int,
    c: int,
    k: int,
    more: int,
    fresh: int,
) -> tuple[int, int, int]:
    """(window, fill, stream) of one pass, cycles.

    ``more`` is 1 where psums come from the GLB, ``fresh`` 1 where the weights are not there yet.
    """
    window = over(k, choice.t) * over(c, choice.r) * shape.S
    left = shape.Q * n - 1
    rows = taps(e, shape.R, shape.stride, shape.dilation)
    first = c * rows * shape.S
    fill = max(
        max(window, over(fresh * k * c * shape.R * shape.S, array.filter_bus)),
        max(over(first, array.ifmap_bus), over(more * k * e, array.psum_bus)),
    )
    stream = max(
        window * left,
        max(
            over(c * rows * shape.columns * n - first, array.ifmap_bus),
            over(k * e * left, array.psum_bus),
        ),
    )
    return window, fill, stream


@helper
def dram_rows(shape: Shape, low: int, high: int) -> tuple[int, int]:
    """First and last + 1 input row in DRAM under output rows low..high."""
    first = low * shape.stride - shape.top
    last = (high - 1) * shape.stride - shape.top + shape.dilation * (shape.R - 1) + 1
    first, last = min(max(first, 0), shape.H), min(last, shape.H)
    return first, max(first, last)


@helper
def fits(shape: Shape, array: Array, choice: Choice) -> int:
    """The first limit that a mapping breaks, 0 for none; the order is that of ``LIMITS``."""
    if choice.q * shape.window > array.ifmap_spad:
        return 1
    if choice.p * choice.q * shape.S > array.filter_spad:
        return 2
    if choice.p > array.psum_spad:
        return 3
    segments = over(choice.e, array.columns)
    stacked = array.rows // (shape.R * segments)
    beside = max(1, array.columns // choice.e)
    if choice.r > stacked:
        return 4
    if choice.t > stacked // choice.r * beside:
        return 5
    if choice.m % (choice.p * choice.t) != 0:
        return 6
    channels = min(choice.q * choice.r, shape.C)
    filters = min(choice.p * choice.t, shape.K)
    if channels * filters * shape.R * shape.S * array.word > array.filter_glb_bytes:
        return 7
    if input_banks(shape, array, choice) + psum_banks(shape, array, choice) > array.banks:
        return 8
    return 0


@helper
def input_banks(shape: Shape, array: Array, choice: Choice) -> int:
    """Banks that the inputs of one step fill."""
    images, strip = min(choice.n, shape.images), min(choice.e, shape.P)
    rows = taps(strip, shape.R, shape.stride, shape.dilation)
    channels = min(choice.q * choice.r, shape.C)
    size = images * channels * rows * shape.columns * array.word
    return over(array.copies * size, array.bank_bytes)


@helper
def psum_banks(shape: Shape, array: Array, choice: Choice) -> int:
    """Banks that the psums of one step fill."""
    images, strip = min(choice.n, shape.images), min(choice.e, shape.P)
    size = images * min(choice.m, shape.K) * strip * shape.Q * array.psum
    return over(array.copies * size, array.bank_bytes)


@helper
def movement(shape: Shape, choice: Choice, loaded: int, sent: int) -> int:
    """Data movement of one group in units of one access to a spad.

    The published ratios: DRAM 200, GLB 6, from PE to PE 2; accesses to the spads are the same in
    every mapping.  Feature maps count uncompressed.  ``loaded`` and ``sent`` are the input rows
    of a plane that its strips take from DRAM and send to the array.
    """
    blocks, filters = over(shape.C, choice.q * choice.r), over(shape.K, choice.m)
    passes, sweeps = over(shape.K, choice.p * choice.t), over(shape.images, choice.n)
    times = 1 if blocks * passes == 1 else sweeps * over(shape.P, choice.e)
    outputs = shape.images * shape.K * shape.P * shape.Q
    inputs = shape.images * shape.C
    weights = shape.K * shape.C * shape.R * shape.S * times
    maps = inputs * loaded * shape.W * (filters if blocks > 1 else 1) + outputs
    glb = 2 * blocks * outputs + inputs * sent * shape.columns * passes
    link = outputs * blocks * (shape.R * min(choice.r, shape.C) - 1)
    return 200 * (weights + maps) + 6 * glb + 2 * link


@helper
def filters_held(shape: Shape, array: Array, choice: Choice) -> int:
    """How many blocks of p x t filters the GLB has room for beside the inputs."""
    room = array.banks - input_banks(shape, array, choice)
    one = min(choice.n, shape.images) * min(choice.e, shape.P) * shape.Q * array.psum * array.copies
    most = max(0, room) * array.bank_bytes // one
    size = choice.p * choice.t
    blocks: int = over(shape.K, size)
    return blocks if most >= shape.K else min(blocks, most // size)


@kernel
def step_counts(
    shape: Shape, array: Array, choice: Choice, sizes: np.ndarray, counts: np.ndarray
) -> None:
    """What every step does, ``counts`` int64 (steps, COUNTS).

    ``sizes`` is int64 (steps, 6): images, output rows, filters, channels of the step, 1 where psums
    come back from the GLB, 1 where the weights are fetched.
    """
    for step in range(sizes.shape[0]):
        n, e, filters, c = sizes[step, 0], sizes[step, 1], sizes[step, 2], sizes[step, 3]
        more, fresh = sizes[step, 4], sizes[step, 5]
        rows = taps(e, shape.R, shape.stride, shape.dilation)
        chain = shape.R * min(choice.r, c)
        size = choice.p * choice.t
        row = counts[step]
        for at in range(over(filters, size)):
            k = min(size, filters - at * size)
            window, fill, stream = pass_cycles(shape, array, choice, n, e, c, k, more, fresh)
            used = chain * e * min(choice.t, k)
            psums, weights = k * e * shape.Q * n, fresh * k * c * shape.R * shape.S
            row[LENGTH] += fill + stream
            row[USED] += used * (fill + stream)
            row[FILL] += used * (fill - window)
            row[BUS] += used * (stream - window * (shape.Q * n - 1))
            row[WEIGHTS] += weights
            row[INPUTS] += c * rows * shape.columns * n
            row[PSUMS_IN] += more * psums
            row[PSUMS_OUT] += psums
            row[LINK] += psums * (chain - 1)
            row[CHAINED] += psums * chain
            row[IFMAP_WRITES] += c * shape.R * e * shape.columns * n * min(choice.t, k)
            row[FILTER_WRITES] += weights * e
            row[INPUT_ACCESSES] += c * rows * n * over(shape.columns * array.word, array.port_bytes)
            accesses = k * e * n * over(shape.Q * array.psum, array.port_bytes)
            row[PSUM_IN_ACCESSES] += more * accesses
            row[PSUM_OUT_ACCESSES] += accesses
            row[WEIGHT_ACCESSES] += over(weights * array.word, array.port_bytes)
            row[PASSES] += 1
