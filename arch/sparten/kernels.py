"""Counting matches: AND of packed masks and popcounts, per filter, output position and chunk."""

import numpy as np
from numba import prange

from arch.jit import kernel
from arch.wide import ones

BLOCK = 64  # output positions of one parallel task


@kernel()
def matches(
    window: np.ndarray, filters: np.ndarray, unit: np.ndarray, at: np.ndarray, busy: np.ndarray
) -> None:
    """Matching pairs of one chunk of one window with filters ``at[0]``..``at[1] - 1``, by unit.

    window : uint64 (chunks, words); filters : uint64 (filters, chunks, words)
    unit : int64 (filters, chunks); at : int64 (3,), first and last + 1 filter, chunk
    busy : int64 out (units,)
    """
    chunk = at[2]
    busy[:] = 0
    for which in range(at[0], at[1]):
        total = np.int64(0)
        for word in range(window.shape[1]):
            total += np.int64(ones(window[chunk, word] & filters[which, chunk, word]))
        busy[unit[which, chunk]] += total


@kernel(parallel=True)
def join_free(
    windows: np.ndarray,
    filters: np.ndarray,
    unit: np.ndarray,
    tasks: np.ndarray,
    used: np.ndarray,
    load: int,
    each_chunk: bool,
    times: np.ndarray,
    totals: np.ndarray,
) -> None:
    """Cycles of a cluster for each task and output position; clusters do not wait for each other.

    windows : uint64 (positions, chunks, words); filters, unit : see ``matches``
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
        busy = np.zeros(used[task], np.int64)
        work = np.zeros(used[task], np.int64)
        at = np.zeros(3, np.int64)
        at[0], at[1] = tasks[task, 0], tasks[task, 1]
        matched, worked = np.int64(0), np.int64(0)
        for position in range(block * BLOCK, min(positions, (block + 1) * BLOCK)):
            work[:] = 0
            waited = np.int64(0)
            for chunk in range(tasks[task, 2], tasks[task, 3]):
                at[2] = chunk
                matches(windows[position], filters, unit, at, busy)
                slowest = np.int64(0)
                for u in range(busy.size):
                    cycles = max(busy[u], load)
                    matched += busy[u]
                    work[u] += cycles
                    slowest = max(slowest, cycles)
                waited += slowest
            for u in range(work.size):
                worked += work[u]
            times[task, position] = waited if each_chunk else work.max()
        totals[task, block, 0], totals[task, block, 1] = matched, worked


@kernel(parallel=True)
def join_locked(
    windows: np.ndarray,
    filters: np.ndarray,
    unit: np.ndarray,
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

    windows, filters, unit, tasks, used, load : see ``join_free``
    times : int64 out (tasks, rows); occupied : int64 out (tasks, rows), the same times clusters
        that have a position
    totals : int64 out (tasks, rows, 2), see ``join_free``
    """
    count, rows = times.shape
    width = windows.shape[0] // rows
    for job in prange(count * rows):
        task, row = job // rows, job % rows
        busy = np.zeros(used[task], np.int64)
        at = np.zeros(3, np.int64)
        at[0], at[1] = tasks[task, 0], tasks[task, 1]
        matched, worked = np.int64(0), np.int64(0)
        cycles, held = np.int64(0), np.int64(0)
        for low in range(0, width, clusters):
            high = min(width, low + clusters)
            for chunk in range(tasks[task, 2], tasks[task, 3]):
                at[2] = chunk
                slowest = np.int64(load)
                for column in range(low, high):
                    matches(windows[row * width + column], filters, unit, at, busy)
                    for u in range(busy.size):
                        matched += busy[u]
                        worked += max(busy[u], load)
                        slowest = max(slowest, busy[u])
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
