"""The cycles of every coefficient-accumulate unit at every pixel.

Rules: specification/basis_first_time.md, BF-20 to BF-23.

Bit-sliced: a word holds one lane of a validity row at 64 pixels, and a row of eight words (see
:mod:`arch.wide`) one lane of eight (job, word of pixels) at once.  So dilution is a copy of words
and concentration a few logic instructions per lane for 512 pixels; no processor-specific
instruction is needed.  The eight may belong to different jobs, which keeps small planes from
leaving words empty.
"""

from typing import Any, NamedTuple

import numpy as np

from arch.jit import helper, parallel_kernel, turns
from arch.threads import Share
from arch.wide import (
    WORDS,
    add_both,
    any_of,
    both,
    clear,
    copy,
    half_add,
    ones,
    some,
    take,
)

PACKING = {"window": 0, "ideal": 1, "none": 2}
PIXELS = 64  # of one word
NEIGHBOURS = 32  # jobs worked on together: their columns share cache lines of the result
TASKS = 32  # parallel pieces; each takes every 32nd unit of work, so that all are alike
ZERO = np.uint64(0)
ONE = np.uint64(1)


class Jobs(NamedTuple):
    """Sums over channels, one for each (k, m) that takes more than one row.

    first : int64 (jobs + 1,), where each job's coefficients begin in an array of all
    column : int64 (jobs,), column of the result, m*K + k
    k, m : int64 (jobs,)
    """

    first: np.ndarray
    column: np.ndarray
    k: np.ndarray
    m: np.ndarray


def sorted_jobs(lengths: np.ndarray) -> Jobs:
    """Jobs by column; of every few neighbours, the longest first.

    Parameters
    ----------
    lengths : int64 (M, K), non-zero coefficients, 0 for what is no job

    Examples
    --------
    >>> jobs = sorted_jobs(np.array([[2, 0, 7], [0, 3, 0]]))
    >>> jobs.column.tolist(), jobs.first.tolist(), jobs.m.tolist()
    ([2, 4, 0], [0, 7, 10, 12], [0, 1, 0])
    """
    flat = lengths.ravel()
    column = np.flatnonzero(flat)
    column = column[np.lexsort((-flat[column], np.arange(column.size) // NEIGHBOURS))]
    first = np.append(0, np.cumsum(flat[column]))
    return Jobs(first, column, column % lengths.shape[1], column // lengths.shape[1])


@parallel_kernel
def _positions(
    share: Share,
    coefficients: np.ndarray,
    low: int,
    high: int,
    per_group: int,
    first: np.ndarray,
    k: np.ndarray,
    m: np.ndarray,
    channel: np.ndarray,
) -> None:
    """Input channels of the non-zero coefficients of every job, in order."""
    bases = coefficients.shape[2]
    for job in turns(share, k.shape[0]):
        signs, base = coefficients[k[job]].reshape(-1), k[job] // per_group * coefficients.shape[1]
        # Always written and then kept or not: a branch would be mispredicted at every non-zero.
        found = np.empty(high - low + 1, np.int32)
        size = np.int64(0)
        for c in range(low, high):
            found[size] = base + c
            size += np.int64(signs[c * bases + m[job]] != 0)
        for at in range(size):
            channel[first[job] + at] = found[at]


def positions(
    coefficients: np.ndarray, tile: tuple[int, int], groups: int, jobs: Jobs
) -> np.ndarray:
    """Input channel of every non-zero coefficient of the jobs: int32, job after job.

    Examples
    --------
    >>> signs = np.array([[[1], [0], [-1]]], np.int8)
    >>> positions(signs, (0, 3), 1, sorted_jobs(np.array([[2]]))).tolist()
    [0, 2]
    """
    channel = np.empty(int(jobs.first[-1]), np.int32)
    per_group = len(coefficients) // groups
    _positions(coefficients, *tile, per_group, jobs.first, jobs.k, jobs.m, channel)
    return channel


@helper
def _gather(
    masks: np.ndarray,
    channel: np.ndarray,
    first: np.ndarray,
    job: int,
    used: int,
    chunk: int,
    lanes: int,
    lane: np.ndarray,
) -> np.int64:
    """Dilution: word w of lane i is what job + w sees of its i-th coefficient's channel.

    Lanes up to the end of the last row are empty.  Gives the most coefficients of a job.
    """
    largest = np.int64(0)
    for w in range(used):
        largest = max(largest, first[job + w + 1] - first[job + w])
    end = (largest + lanes - 1) // lanes * lanes
    for w in range(WORDS):
        begin = first[job + w] if w < used else np.int64(0)
        size = first[job + w + 1] - begin if w < used else np.int64(0)
        for entry in range(size):
            lane[entry, w] = masks[channel[begin + entry], chunk]
        for entry in range(size, end):
            lane[entry, w] = ZERO
    return largest


@helper
def _absorb(
    lane: np.ndarray,
    into: int,
    out_of: int,
    width: int,
    lanes: int,
    lookaside: int,
    turn: np.ndarray,
) -> None:
    """Step 3: the row at ``out_of`` (``width`` lanes, others empty) fills holes of one at ``into``.

    A hole takes lane (hole + shift) mod lanes, for shift 0, -1, +1, -2, +2 …; only at the pixels
    of ``turn[0]``.
    """
    for a in range(lookaside + 1):
        aside = a % lanes
        for offer in range(width):
            hole = offer + aside  # takes lane hole - a
            hole = hole - lanes if hole >= lanes else hole
            take(lane, into + hole, lane, out_of + offer, turn, 0)
        if a == 0:
            continue
        for offer in range(width):
            hole = offer - aside  # takes lane hole + a
            hole = hole + lanes if hole < 0 else hole
            take(lane, into + hole, lane, out_of + offer, turn, 0)


@helper
def _count(planes: np.ndarray, mask: np.ndarray, row: int, carry: np.ndarray) -> None:
    """Add one at the pixels of ``mask[row]`` to bit-sliced counters."""
    copy(carry, 0, mask, row)
    for plane in range(planes.shape[0]):
        half_add(planes, plane, carry, 0)


@helper
def concentrate(
    lane: np.ndarray,
    count: int,
    last_width: int,
    lanes: int,
    lookahead: int,
    lookaside: int,
    filled: np.ndarray,
    heads: np.ndarray,
    turn: np.ndarray,
    planes: np.ndarray,
) -> None:
    """Count the cycles to issue ``count`` validity rows at each of 512 pixels.

    lane : uint64 (count * lanes, WORDS), consumed; ``planes`` : bit-sliced counters, out
    last_width : lanes that are in use in the last row
    filled, heads : uint64 (count + 1, WORDS) and turn : uint64 (3, WORDS), scratch

    ``heads[p]`` are the pixels whose window begins at row p.  A window only moves forwards, so one
    sweep over p serves all pixels.  ``turn[0]`` are those that issue row h now, ``turn[1]`` those
    whose oldest non-empty row is not found yet; ``turn[2]`` is a carry.
    """
    for row in range(count):
        any_of(filled, row, lane, row * lanes, lanes)
        heads[row + 1, :] = ZERO
    heads[0, :] = ~ZERO
    for p in range(count):
        if not some(heads, p):
            continue
        end = min(p + lookahead, count - 1)
        copy(turn, 1, heads, p)
        for h in range(p, end + 1):
            both(turn, 0, turn, 1, filled, h)
            if not some(turn, 0):
                continue
            clear(turn, 1, filled, h)
            for ahead in range(h + 1, end + 1):
                width = last_width if ahead == count - 1 else lanes
                _absorb(lane, h * lanes, ahead * lanes, width, lanes, lookaside, turn)
                any_of(filled, ahead, lane, ahead * lanes, width)
            _count(planes, turn, 0, turn[2:])
            # Row h is empty now; the head moves past leading empty rows, lookahead + 1 at most.
            clear(filled, h, turn, 0)
            last = min(p + lookahead + 1, count)
            for q in range(p + 1, last):
                add_both(heads, q, turn, 0, filled, q)
                clear(turn, 0, filled, q)
            add_both(heads, last, turn, 0, turn, 0)
            if not some(turn, 1):
                break
        # A window without an element takes its cycle, unless nothing is left at the pixel.
        if end + 1 < count and some(turn, 1):
            any_of(turn, 0, filled, end + 1, count - end - 1)
            both(turn, 1, turn, 1, turn, 0)
            add_both(heads, end + 1, turn, 1, turn, 1)
            _count(planes, turn, 1, turn[2:])


@helper
def _spread(planes: np.ndarray, w: int, cycles: np.ndarray) -> None:
    """Bit-sliced counts of word ``w`` as numbers."""
    cycles[:] = 0
    for plane in range(planes.shape[0]):
        word = planes[plane, w]
        for bit in range(PIXELS):
            cycles[bit] += np.int64((word >> np.uint64(bit)) & ONE) << plane


@parallel_kernel
def window_cycles(
    share: Share,
    masks: np.ndarray,
    first: np.ndarray,
    channel: np.ndarray,
    column: np.ndarray,
    lanes: int,
    lookahead: int,
    lookaside: int,
    area: int,
    code: np.ndarray,
) -> None:
    """Add 2 * t_CA of every job at every pixel to ``code``, packing ``window``.

    masks : uint64 (channels, images * words), bit = non-zero activation; an image fills its words
        by ``area`` pixels, the rest is 0
    first, column : as in Jobs; channel : as ``positions`` gives it
    code : in and out, unsigned (images * area, columns)
    """
    jobs, chunks = column.shape[0], masks.shape[1]
    words = (area + PIXELS - 1) // PIXELS
    units = (jobs + NEIGHBOURS - 1) // NEIGHBOURS * chunks
    longest = 0
    for job in range(jobs):
        longest = max(longest, first[job + 1] - first[job])
    most = (longest + lanes - 1) // lanes
    bits = 1
    while most >> bits:
        bits += 1
    for task in turns(share, TASKS):
        lane = np.empty((most * lanes, WORDS), np.uint64)
        filled = np.empty((most + 1, WORDS), np.uint64)
        heads = np.empty((most + 1, WORDS), np.uint64)
        turn = np.empty((3, WORDS), np.uint64)
        planes = np.empty((bits, WORDS), np.uint64)
        cycles = np.empty(PIXELS, np.int64)
        for unit in range(task, units, TASKS):
            chunk, begin = unit % chunks, unit // chunks * NEIGHBOURS
            low = chunk % words * PIXELS
            pixel = chunk // words * area + low
            for job in range(begin, min(begin + NEIGHBOURS, jobs), WORDS):
                used = min(WORDS, jobs - job)
                largest: Any = _gather(masks, channel, first, job, used, chunk, lanes, lane)
                count = (largest + lanes - 1) // lanes
                width = largest - (count - 1) * lanes
                planes[:] = ZERO
                concentrate(
                    lane, count, width, lanes, lookahead, lookaside, filled, heads, turn, planes
                )
                for w in range(used):
                    at = column[job + w]
                    _spread(planes, w, cycles)
                    for bit in range(min(PIXELS, area - low)):
                        code[pixel + bit, at] += max(cycles[bit], 1) << 1


@parallel_kernel
def ideal_cycles(
    share: Share,
    words: np.ndarray,
    wanted: np.ndarray,
    column: np.ndarray,
    lanes: int,
    code: np.ndarray,
) -> None:
    """Add 2 * max(1, ceil(pairs / lanes)) of every job at every pixel to ``code``.

    words : uint64 (channels / 64, pixels), bit = non-zero activation of a channel
    wanted : uint64 (jobs, channels / 64), bit = non-zero coefficient
    column : int64 (jobs,); code : in and out, unsigned (pixels, columns)
    """
    pixels, jobs = code.shape[0], column.shape[0]
    chunks = (pixels + PIXELS - 1) // PIXELS
    units = (jobs + NEIGHBOURS - 1) // NEIGHBOURS * chunks
    twice = np.empty(words.shape[0] * PIXELS + 1, code.dtype)  # by pairs: no division per pixel
    for count in range(twice.size):
        twice[count] = max((count + lanes - 1) // lanes, 1) << 1
    for unit in turns(share, units):
        begin, low = unit // chunks * NEIGHBOURS, unit % chunks * PIXELS
        size = min(PIXELS, pixels - low)
        pairs = np.empty(PIXELS, np.uint64)
        for job in range(begin, min(begin + NEIGHBOURS, jobs)):
            pairs[:] = ZERO
            n = 0
            while n + 2 <= words.shape[0]:  # two at a time: half as many loads of the sums
                a, b = wanted[job, n], wanted[job, n + 1]
                one, other = words[n, low : low + size], words[n + 1, low : low + size]
                for at in range(size):
                    pairs[at] += ones(one[at] & a) + ones(other[at] & b)
                n += 2
            if n < words.shape[0]:
                a, one = wanted[job, n], words[n, low : low + size]
                for at in range(size):
                    pairs[at] += ones(one[at] & a)
            place = column[job]
            for at in range(size):
                code[low + at, place] += twice[pairs[at]]
