"""Section 4: the cycles of every coefficient-accumulate unit at every pixel.

Bit-sliced: a word holds one lane of a validity row at 64 pixels, and a vector of words 512 pixels,
so that dilution is a copy and concentration a few logic operations per lane for all of them at
once.  No processor-specific instruction is needed.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from arch.jit import kernel

PACKING = {"window": 0, "ideal": 1, "none": 2}
WORDS = 8  # words of 64 pixels that are worked on at once
PIXELS = 64 * WORDS
JOBS = 16  # jobs that one parallel pass works on
ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
ZERO = np.uint64(0)
ONE = np.uint64(1)


class Jobs(NamedTuple):
    """The (k, m) with at least one coefficient.

    first : int64 (jobs + 1,), where each job's coefficients begin in ``channel``
    channel : int64, input channel of every non-zero coefficient, in channel order
    slot : int64 (jobs,), column of the result
    """

    first: np.ndarray
    channel: np.ndarray
    slot: np.ndarray


def jobs_of(slot: np.ndarray, channel: np.ndarray) -> Jobs:
    """Group non-zero coefficients, given by slot and input channel in that order, by slot.

    Examples
    --------
    >>> jobs = jobs_of(np.array([4, 4, 7]), np.array([1, 3, 70]))
    >>> jobs.first.tolist(), jobs.slot.tolist()
    ([0, 2, 3], [4, 7])
    """
    slots, first = np.unique(slot, return_index=True)
    return Jobs(np.append(first, slot.size).astype(np.int64), channel.astype(np.int64), slots)


def pixel_masks(nonzero: np.ndarray) -> np.ndarray:
    """Pack bool (channels, pixels) by pixel into uint64 (channels, words), whole vectors.

    Examples
    --------
    >>> pixel_masks(np.array([[True, False, True]]))[0, :2].tolist()
    [5, 0]
    """
    channels, pixels = nonzero.shape
    words = -(-pixels // PIXELS) * WORDS
    padded = np.zeros((channels, words * 8), np.uint8)
    packed = np.packbits(nonzero, axis=1, bitorder="little")
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64)


@kernel()
def _any(masks: np.ndarray, row: int) -> bool:
    """Whether a vector of pixels has a one."""
    found = ZERO
    for w in range(WORDS):
        found |= masks[row, w]
    return found != ZERO


@kernel()
def _count(planes: np.ndarray, mask: np.ndarray, row: int) -> None:
    """Add one at the pixels of ``mask[row]`` to bit-sliced counters."""
    for w in range(WORDS):
        carry = mask[row, w]
        for bit in range(planes.shape[0]):
            if carry == ZERO:
                break
            before = planes[bit, w]
            planes[bit, w] = before ^ carry
            carry &= before


@kernel()
def _take(
    lane: np.ndarray, into: int, out_of: int, up: int, lanes: int, where: np.ndarray, at: int
) -> None:
    """Holes of the row at ``into`` take the element ``up`` lanes higher of the row at ``out_of``.

    lane : uint64 (rows * lanes, WORDS); only the pixels of ``where[at]`` take part
    """
    for hole in range(lanes):
        source = hole + up
        source = source - lanes if source >= lanes else source
        for w in range(WORDS):
            held, offered = lane[into + hole, w], lane[out_of + source, w]
            taken = offered & ~held & where[at, w]
            lane[into + hole, w] = held | taken
            lane[out_of + source, w] = offered ^ taken


@kernel()
def _absorb(
    lane: np.ndarray,
    into: int,
    out_of: int,
    lanes: int,
    lookaside: int,
    where: np.ndarray,
    at: int,
) -> None:
    """Section 4, step 3: one later row fills the holes of the row that is issued."""
    _take(lane, into, out_of, 0, lanes, where, at)
    up = 0
    for _ in range(lookaside):
        up = up + 1 if up + 1 < lanes else 0
        _take(lane, into, out_of, lanes - up if up > 0 else 0, lanes, where, at)
        _take(lane, into, out_of, up, lanes, where, at)


@kernel()
def _filled(lane: np.ndarray, row: int, lanes: int, filled: np.ndarray) -> None:
    """Pixels at which a row has an element, into ``filled[row]``."""
    for w in range(WORDS):
        filled[row, w] = ZERO
    for at in range(row * lanes, (row + 1) * lanes):
        for w in range(WORDS):
            filled[row, w] |= lane[at, w]


@kernel()
def concentrate(
    lane: np.ndarray,
    count: int,
    lanes: int,
    lookahead: int,
    lookaside: int,
    filled: np.ndarray,
    heads: np.ndarray,
    turn: np.ndarray,
    planes: np.ndarray,
) -> None:
    """Count the cycles to issue ``count`` validity rows at each of 512 pixels.

    lane : uint64 (rows * lanes, WORDS), consumed; ``planes`` : bit-sliced counters, out
    filled, heads : uint64 (rows + 1, WORDS) and turn : uint64 (2, WORDS), scratch

    ``heads[p]`` are the pixels whose window begins at row p.  A window only moves forwards, so one
    sweep over p serves all pixels.  ``turn[0]`` are those that issue row h now, ``turn[1]`` those
    whose oldest non-empty row is not found yet.
    """
    for row in range(count):
        _filled(lane, row, lanes, filled)
        for w in range(WORDS):
            heads[row, w] = ZERO
    for w in range(WORDS):
        heads[0, w] = ONES
        heads[count, w] = ZERO
    for p in range(count):
        if not _any(heads, p):
            continue
        end = min(p + lookahead, count - 1)
        for w in range(WORDS):
            turn[1, w] = heads[p, w]
        for h in range(p, end + 1):
            for w in range(WORDS):
                turn[0, w] = turn[1, w] & filled[h, w]
                turn[1, w] &= ~filled[h, w]
            if not _any(turn, 0):
                continue
            for ahead in range(h + 1, end + 1):
                _absorb(lane, h * lanes, ahead * lanes, lanes, lookaside, turn, 0)
                _filled(lane, ahead, lanes, filled)
            _count(planes, turn, 0)
            # Row h is empty now; the head moves past leading empty rows, lookahead + 1 at most.
            last = min(p + lookahead + 1, count)
            for w in range(WORDS):
                filled[h, w] &= ~turn[0, w]
                moving = turn[0, w]
                for q in range(p + 1, last):
                    heads[q, w] |= moving & filled[q, w]
                    moving &= ~filled[q, w]
                heads[last, w] |= moving
        # A window without an element takes its cycle, unless nothing is left at the pixel.
        if _any(turn, 1) and end + 1 < count:
            for w in range(WORDS):
                left = ZERO
                for row in range(end + 1, count):
                    left |= filled[row, w]
                turn[1, w] &= left
                heads[end + 1, w] |= turn[1, w]
            _count(planes, turn, 1)


@kernel()
def _ideal(planes: np.ndarray, lanes: int, cycles: np.ndarray) -> None:
    """max(1, ceil(pairs / lanes)) of bit-sliced counts."""
    for w in range(WORDS):
        for bit in range(64):
            pairs = ZERO
            for plane in range(planes.shape[0]):
                pairs |= ((planes[plane, w] >> np.uint64(bit)) & ONE) << np.uint64(plane)
            cycles[w * 64 + bit] = max((np.int64(pairs) + lanes - 1) // lanes, 1)


@kernel()
def _spread(planes: np.ndarray, cycles: np.ndarray) -> None:
    """Bit-sliced counts as numbers, at least 1."""
    for w in range(WORDS):
        for bit in range(64):
            cycles[w * 64 + bit] = 0
        for plane in range(planes.shape[0]):
            word = planes[plane, w]
            for bit in range(64):
                cycles[w * 64 + bit] |= np.int64((word >> np.uint64(bit)) & ONE) << plane
        for bit in range(64):
            cycles[w * 64 + bit] = max(cycles[w * 64 + bit], 1)


@kernel(parallel=True)
def ca_cycles(
    masks: np.ndarray,
    first: np.ndarray,
    channel: np.ndarray,
    slot: np.ndarray,
    lanes: int,
    lookahead: int,
    lookaside: int,
    packing: int,
    code: np.ndarray,
) -> None:
    """2 * t_CA of every job at every pixel.

    masks : uint64 (channels, words), 1 = non-zero activation, as ``pixel_masks`` makes them
    first, channel, slot : as in Jobs
    code : out, unsigned (pixels, slots)
    """
    pixels, jobs = code.shape[0], slot.shape[0]
    groups = (jobs + JOBS - 1) // JOBS
    longest = 0
    for job in range(jobs):
        longest = max(longest, first[job + 1] - first[job])
    most = (longest + lanes - 1) // lanes
    for task in prange(groups * (masks.shape[1] // WORDS)):
        chunk, group = task // groups, task % groups
        begin, end = chunk * PIXELS, min(pixels, (chunk + 1) * PIXELS)
        lane = np.empty((most * lanes, WORDS), np.uint64)
        filled = np.empty((most + 1, WORDS), np.uint64)
        heads = np.empty((most + 1, WORDS), np.uint64)
        turn = np.empty((2, WORDS), np.uint64)
        cycles = np.empty(PIXELS, np.int64)
        for job in range(group * JOBS, min(jobs, (group + 1) * JOBS)):
            size = first[job + 1] - first[job]
            count = (size + lanes - 1) // lanes
            if count == 1 or packing == 2:  # one row always takes one cycle
                for pixel in range(begin, end):
                    code[pixel, slot[job]] = 2 * count
                continue
            for entry in range(size):
                source = channel[first[job] + entry]
                for w in range(WORDS):
                    lane[entry, w] = masks[source, chunk * WORDS + w]
            bits = 0
            while (size if packing == 1 else count) >> bits:
                bits += 1
            planes = np.zeros((bits, WORDS), np.uint64)
            if packing == 1:
                for entry in range(size):
                    _count(planes, lane, entry)
                _ideal(planes, lanes, cycles)
            else:
                lane[size : count * lanes] = ZERO
                concentrate(lane, count, lanes, lookahead, lookaside, filled, heads, turn, planes)
                _spread(planes, cycles)
            for pixel in range(begin, end):
                code[pixel, slot[job]] = 2 * cycles[pixel - begin]
