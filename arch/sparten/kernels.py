"""Counting matches: AND of packed masks and popcounts, per filter, output position and chunk.

Filters stand innermost, so that one word of a window meets a row of them in vector instructions.
"""

import numpy as np

from arch.jit import helper, kernel, parallel_kernel, turns
from arch.threads import Share
from arch.wide import ones

BLOCK = 64  # output positions of one parallel task


@helper
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


@parallel_kernel
def join_free(
    share: Share,
    windows: np.ndarray,
    filters: np.ndarray,
    groups: np.ndarray,
    used: np.ndarray,
    spans: np.ndarray,
    load: int,
    each_chunk: bool,
    times: np.ndarray,
    totals: np.ndarray,
) -> None:
    """Cycles of a cluster for each filter group, span of chunks and output position.

    Clusters do not wait for each other.

    windows : uint64 (positions, chunks, words); filters : uint64 (chunks, words, filters), by rank
    groups : int64 (groups, 2), first and last + 1 filter; used : int64 (groups,), their units
    spans : int64 (spans, 2), first and last + 1 chunk; load : least cycles of a chunk
    each_chunk : units wait for each other after each chunk, else after the span's last chunk
    times : int64 out (groups, spans, positions)
    totals : int64 out (groups, images, blocks of positions, chunks, 3): matches, cycles of units
        that match or load, cycles until the slowest of them is done
    """
    count, images, blocks, chunks, _ = totals.shape
    each = windows.shape[0] // images
    for job in turns(share, count * images * blocks):
        group, rest = job // (images * blocks), job % (images * blocks)
        image, block = rest // blocks, rest % blocks
        first, units = groups[group, 0], used[group]
        found = np.zeros(groups[group, 1] - first, np.int64)
        done = np.zeros((chunks + 1, units), np.int64)
        waited = np.zeros(chunks + 1, np.int64)
        total = totals[group, image, block]
        total[:] = 0
        low = image * each + block * BLOCK
        for position in range(low, min((image + 1) * each, low + BLOCK)):
            for chunk in range(chunks):
                match(windows[position, chunk], filters[chunk], first, units, found)
                before, after = done[chunk], done[chunk + 1]
                matched, worked, slowest = np.int64(0), np.int64(0), np.int64(0)
                for unit in range(units):
                    cycles = max(found[unit], load)
                    after[unit] = before[unit] + cycles
                    matched += found[unit]
                    worked += cycles
                    slowest = max(slowest, cycles)
                total[chunk, 0] += matched
                total[chunk, 1] += worked
                total[chunk, 2] += slowest
                waited[chunk + 1] = waited[chunk] + slowest
            for span in range(spans.shape[0]):
                start, stop = spans[span, 0], spans[span, 1]
                longest = waited[stop] - waited[start]
                if not each_chunk:
                    longest = np.int64(0)
                    before, after = done[start], done[stop]
                    for unit in range(units):
                        longest = max(longest, after[unit] - before[unit])
                times[group, span, position] = longest


@parallel_kernel
def join_locked(
    share: Share,
    windows: np.ndarray,
    filters: np.ndarray,
    groups: np.ndarray,
    used: np.ndarray,
    load: int,
    clusters: int,
    times: np.ndarray,
    totals: np.ndarray,
) -> None:
    """Cycles of all clusters for each filter group, chunk and output row, in step after each chunk.

    The clusters take ``clusters`` neighbouring positions of one output row at a time.

    windows, filters, groups, used, load : see ``join_free``
    times : int64 out (groups, chunks, rows)
    totals : int64 out (groups, rows, chunks, 3): matches, cycles of units that match or load,
        cycles times clusters that have a position
    """
    count, chunks, rows = times.shape
    width = windows.shape[0] // rows
    for job in turns(share, count * rows):
        group, row = job // rows, job % rows
        first, units = groups[group, 0], used[group]
        found = np.zeros(groups[group, 1] - first, np.int64)
        total = totals[group, row]
        total[:] = 0
        for chunk in range(chunks):
            cycles = np.int64(0)
            for low in range(0, width, clusters):
                high = min(width, low + clusters)
                slowest = np.int64(load)
                for position in range(row * width + low, row * width + high):
                    match(windows[position, chunk], filters[chunk], first, units, found)
                    matched, worked = np.int64(0), np.int64(0)
                    for unit in range(units):
                        matched += found[unit]
                        worked += max(found[unit], load)
                        slowest = max(slowest, found[unit])
                    total[chunk, 0] += matched
                    total[chunk, 1] += worked
                cycles += slowest
                total[chunk, 2] += slowest * (high - low)
            times[group, chunk, row] = cycles


@kernel
def deal(
    times: np.ndarray,
    blocks: np.ndarray,
    rows: np.ndarray,
    width: int,
    clusters: int,
    lengths: np.ndarray,
) -> None:
    """How long each step computes whose pairs of filter group and position are dealt in turn.

    times : int64 (filter groups, passes, positions)
    blocks : int64 (blocks + 1,), bounds of the filter groups of a step
    rows : int64 (runs + 1,), bounds of the output rows of a step, ``width`` positions each
    lengths : int64 out (runs, blocks, passes), the cluster that ends last
    """
    runs, count, passes = lengths.shape
    busy = np.zeros(clusters, np.int64)
    for run in range(runs):
        low, high = rows[run] * width, rows[run + 1] * width
        for block in range(count):
            for part in range(passes):
                busy[:] = 0
                cluster = 0
                for group in range(blocks[block], blocks[block + 1]):
                    for position in range(low, high):
                        busy[cluster] += times[group, part, position]
                        cluster += 1
                        if cluster == clusters:
                            cluster = 0
                lengths[run, block, part] = busy.max()


@parallel_kernel
def count_chunks(share: Share, vectors: np.ndarray, counts: np.ndarray) -> None:
    """Non-zeros of each chunk: uint64 (vectors, chunks, words) -> int64 out (vectors, chunks)."""
    for vector in turns(share, vectors.shape[0]):
        for chunk in range(vectors.shape[1]):
            total = np.int64(0)
            for word in range(vectors.shape[2]):
                total += np.int64(ones(vectors[vector, chunk, word]))
            counts[vector, chunk] = total
