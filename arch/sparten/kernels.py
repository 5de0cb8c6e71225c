"""Counting matches: AND of packed masks and popcounts, per filter, output position and chunk.

Filters stand innermost, so that one word of a window meets a row of them in vector instructions.
"""

import numpy as np
from numba import prange

from arch.jit import kernel
from arch.wide import ones

BLOCK = 64  # output positions of one parallel task


@kernel()
def match(
    window: np.ndarray, filters: np.ndarray, first: int, used: int, found: np.ndarray
) -> None:
    """Matching pairs of one chunk of one window, by unit.

    window : uint64 (words,); filters : uint64 (words, filters), by rank
    first : of the filter group; its filters are as many as ``found`` is long
    used : units that have a filter
    found : int64 out (filters of the group,); those of unit u are in found[u], u < used
    """
    count = found.size
    found[:] = 0
    for word in range(window.size):
        bits = window[word]
        row = filters[word, first : first + count]
        for rank in range(count):
            found[rank] += np.int64(ones(bits & row[rank]))
    for rank in range(used, count):
        found[count - 1 - rank] += found[rank]


@kernel(parallel=True)
def join_free(
    windows: np.ndarray,
    filters: np.ndarray,
    tasks: np.ndarray,
    used: np.ndarray,
    load: int,
    each_chunk: bool,
    times: np.ndarray,
    totals: np.ndarray,
) -> None:
    """Cycles of a cluster for each task and output position; clusters do not wait for each other.

    windows : uint64 (positions, chunks, words); filters : uint64 (chunks, words, filters), by rank
    tasks : int64 (tasks, 4), first and last + 1 filter, first and last + 1 chunk
    used : int64 (tasks,), units that have a filter; load : least cycles of a chunk
    each_chunk : units wait for each other after each chunk, else after the task's last chunk
    times : int64 out (tasks, positions)
    totals : int64 out (tasks, blocks of positions, 2), matches and cycles of units until done
    """
    count, positions = times.shape
    blocks = totals.shape[1]
    for job in prange(count * blocks):
        task, block = job // blocks, job % blocks
        first, units = tasks[task, 0], used[task]
        found = np.zeros(tasks[task, 1] - first, np.int64)
        work = np.zeros(units, np.int64)
        matched, worked = np.int64(0), np.int64(0)
        for position in range(block * BLOCK, min(positions, (block + 1) * BLOCK)):
            work[:] = 0
            waited = np.int64(0)
            for chunk in range(tasks[task, 2], tasks[task, 3]):
                match(windows[position, chunk], filters[chunk], first, units, found)
                slowest = np.int64(0)
                for unit in range(units):
                    cycles = max(found[unit], load)
                    matched += found[unit]
                    work[unit] += cycles
                    slowest = max(slowest, cycles)
                waited += slowest
            for unit in range(units):
                worked += work[unit]
            times[task, position] = waited if each_chunk else work.max()
        totals[task, block, 0], totals[task, block, 1] = matched, worked


@kernel(parallel=True)
def join_locked(
    windows: np.ndarray,
    filters: np.ndarray,
    tasks: np.ndarray,
    used: np.ndarray,
    load: int,
    clusters: int,
    times: np.ndarray,
    occupied: np.ndarray,
    totals: np.ndarray,
) -> None:
    """Cycles of all clusters for each task and output row, in step after each chunk.

    The clusters take ``clusters`` neighbouring positions of one output row at a time.

    windows, filters, tasks, used, load : see ``join_free``
    times : int64 out (tasks, rows); occupied : int64 out (tasks, rows), the same times clusters
        that have a position
    totals : int64 out (tasks, rows, 2), see ``join_free``
    """
    count, rows = times.shape
    width = windows.shape[0] // rows
    for job in prange(count * rows):
        task, row = job // rows, job % rows
        first, units = tasks[task, 0], used[task]
        found = np.zeros(tasks[task, 1] - first, np.int64)
        matched, worked = np.int64(0), np.int64(0)
        cycles, held = np.int64(0), np.int64(0)
        for low in range(0, width, clusters):
            high = min(width, low + clusters)
            for chunk in range(tasks[task, 2], tasks[task, 3]):
                slowest = np.int64(load)
                for position in range(row * width + low, row * width + high):
                    match(windows[position, chunk], filters[chunk], first, units, found)
                    for unit in range(units):
                        matched += found[unit]
                        worked += max(found[unit], load)
                        slowest = max(slowest, found[unit])
                cycles += slowest
                held += slowest * (high - low)
        times[task, row], occupied[task, row] = cycles, held
        totals[task, row, 0], totals[task, row, 1] = matched, worked


@kernel(parallel=True)
def count_chunks(vectors: np.ndarray, counts: np.ndarray) -> None:
    """Non-zeros of each chunk: uint64 (vectors, chunks, words) -> int64 out (vectors, chunks)."""
    for vector in prange(vectors.shape[0]):
        for chunk in range(vectors.shape[1]):
            total = np.int64(0)
            for word in range(vectors.shape[2]):
                total += np.int64(ones(vectors[vector, chunk, word]))
            counts[vector, chunk] = total
