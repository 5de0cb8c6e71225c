"""The time of one step, block by block and slice by slice, and who waited for what.

Rules: specification/basis_first_time.md, BF-27 to BF-29.
"""

import numpy as np

from arch.jit import helper, parallel_kernel, turns
from arch.threads import Share

# Columns of the table of (k-tile, pass): the channel tile; where its slots begin in a pixel's row
# of ``code``, and how far the next slice is; slices, blocks and slots; the vector that is
# broadcast; the effective window.
TILE, FIRST, PER_SLICE, SLICES, BLOCKS, SLOTS, VECTOR, WINDOW = range(8)
PART_FIELDS = 8
# Columns of the result of ``step_times``.
COMPUTE, MAC, CA, BROADCAST, SLOWEST, CA_SUM, USED, PRODUCTS, PSUM_WRITES = range(9)
VECTOR_BYTES, GLB_READS, VECTOR_WRITES = range(9, 12)
FIELDS = 12
# Rows of the sums of one step, by block.
_MAC, _CA, _WAITING, _BEHIND, _CA_SUM, _USES, _PRODUCTS, _WRITES = range(8)
SUMS = 8


@helper
def _pixels(
    base: int,
    width: int,
    rows: np.ndarray,
    row_taps: np.ndarray,
    cols: np.ndarray,
    col_taps: np.ndarray,
    col_cycles: np.ndarray,
    taps_count: int,
) -> np.ndarray:
    """The pixels of a step as they come, int64 (pixels, 3): which, cycles of a MAC row, taps."""
    found = np.empty((rows.size * cols.size, 3), np.int64)
    at = 0
    for row in range(rows.size):
        for col in range(cols.size):
            found[at, 0] = base + rows[row] * width + cols[col]
            found[at, 1] = row_taps[row] * col_cycles[col] if taps_count == 1 else 1
            found[at, 2] = row_taps[row] * col_taps[col] if taps_count == 1 else 0
            at += 1
    return found


@helper
def _broadcast(
    pixels: np.ndarray, sizes: np.ndarray, glb_port: int, vector_port: int, result: np.ndarray
) -> None:
    """Bytes and accesses of the vectors of ``pixels``, int64 (pixels, 3)."""
    for at in range(pixels.shape[0]):
        size = sizes[pixels[at, 0]]
        result[VECTOR_BYTES] += size
        result[GLB_READS] += (size + glb_port - 1) // glb_port
        result[VECTOR_WRITES] += (size + vector_port - 1) // vector_port


@helper
def _recur(
    about: np.ndarray,
    pixels: np.ndarray,
    sizes: np.ndarray,
    works: np.ndarray,
    fifo: int,
    port: int,
    mac_end: np.ndarray,
    sums: np.ndarray,
) -> None:
    """The recurrences of one step, pixel by pixel.

    about : a row of ``parts``; pixels : int64 (pixels, 3), see ``_pixels``
    sizes : int64 (pixels of the plane,), bytes broadcast; works : a channel tile of ``code``
    mac_end : int64 (blocks,), zeros, when each block ends; sums : int64 (SUMS, blocks), added to
    """
    blocks, slices, depth = about[BLOCKS], about[SLICES], about[WINDOW]
    mac, ca, waiting, behind = sums[_MAC], sums[_CA], sums[_WAITING], sums[_BEHIND]
    ca_sum, uses, products, writes = sums[_CA_SUM], sums[_USES], sums[_PRODUCTS], sums[_WRITES]
    ca_end = np.zeros((slices, blocks), np.int64)
    ready, used = np.zeros(blocks, np.int64), np.zeros(blocks, np.int64)
    mac_starts = np.zeros((fifo, blocks), np.int64)
    consumed = np.zeros(depth, np.int64)
    arrived = np.int64(0)
    turn, seat = np.int64(0), np.int64(0)  # pixel modulo window, modulo FIFO
    for at in range(pixels.shape[0]):
        pixel, full, taps = pixels[at, 0], pixels[at, 1], pixels[at, 2]
        freed, freeing = consumed[turn], mac_starts[seat]
        arrive = max(arrived, freed) + (sizes[pixel] + port - 1) // port
        ready[:] = 0
        used[:] = 0
        for piece in range(slices):
            begin = about[FIRST] + piece * about[PER_SLICE]
            count = min(blocks, about[SLOTS] - piece * blocks)
            work, ends = works[pixel, begin : begin + count], ca_end[piece]
            for block in range(count):
                entry = np.int64(work[block])
                cycles = entry >> 1
                end = max(ends[block], max(arrive, freeing[block])) + cycles
                ends[block] = end
                ready[block] = max(ready[block], end)
                used[block] += entry & 1
                ca_sum[block] += cycles
        early = waiting if arrived >= freed else behind
        latest = np.int64(0)
        for block in range(blocks):
            before = mac_end[block]
            begin = max(before, ready[block])
            some = np.int64(used[block] > 0)
            busy = 1 + some * (full - 1)
            reached = max(before, min(begin, arrive))
            early[block] += reached - before
            ca[block] += begin - reached
            mac[block] += busy
            mac_end[block] = begin + busy
            freeing[block] = begin
            uses[block] += used[block]
            products[block] += used[block] * taps
            writes[block] += some * taps
            latest = max(latest, ready[block])
        consumed[turn], arrived = latest, arrive
        turn = turn + 1 if turn + 1 < depth else np.int64(0)
        seat = seat + 1 if seat + 1 < fifo else np.int64(0)


@helper
def _total(
    sums: np.ndarray,
    mac_end: np.ndarray,
    copies: np.ndarray,
    own_psum: int,
    result: np.ndarray,
) -> None:
    """Add up a step's blocks, each as often as others behave like it.

    sums : int64 (SUMS, blocks); mac_end, copies : int64 (blocks,)
    result : int64 (FIELDS,), added to
    """
    compute = np.int64(0)
    for block in range(mac_end.size):
        compute = max(compute, mac_end[block])
    result[COMPUTE] = compute
    written = _PRODUCTS if own_psum == 1 else _WRITES
    for block in range(mac_end.size):
        many = copies[block]
        result[MAC] += many * sums[_MAC, block]
        result[CA] += many * sums[_CA, block]
        result[BROADCAST] += many * sums[_WAITING, block]
        result[SLOWEST] += many * (sums[_BEHIND, block] + compute - mac_end[block])
        result[CA_SUM] += many * sums[_CA_SUM, block]
        result[USED] += many * sums[_USES, block]
        result[PRODUCTS] += many * sums[_PRODUCTS, block]
        result[PSUM_WRITES] += many * sums[written, block]


@parallel_kernel
def step_times(
    share: Share,
    part: np.ndarray,
    bases: np.ndarray,
    rows_first: np.ndarray,
    rows: np.ndarray,
    row_taps: np.ndarray,
    cols_first: np.ndarray,
    cols: np.ndarray,
    col_taps: np.ndarray,
    col_cycles: np.ndarray,
    code: np.ndarray,
    parts: np.ndarray,
    copies: np.ndarray,
    vector: np.ndarray,
    width: int,
    fifo: int,
    port: int,
    glb_port: int,
    vector_port: int,
    taps_count: int,
    own_psum: int,
    out: np.ndarray,
) -> None:
    """Recurrences of every step; steps share nothing.

    part, bases : int64 (steps,), (k-tile, pass) of the step, first pixel of its image
    rows_first, cols_first : int64 (steps+1,) into ``rows``/``row_taps`` and ``cols``/``col_*``
    row_taps, col_taps, col_cycles : legal kernel rows, legal columns, cycles per kernel row
    code : uint16 (channel tiles, pixels, columns), 2 * t_CA + (V is not zero)
    parts : int64 (parts, PART_FIELDS)
    copies : int64 (parts, blocks), PE blocks that behave as each block does
    vector : int64 (vectors, pixels), bytes broadcast
    width : input columns; fifo : FIFO entries; port : bytes per cycle
    glb_port, vector_port : bytes of a read from the GLB, of a write into one vector buffer
    taps_count : 1 where t_MAC is the taps, 0 for pointwise; own_psum : each slice has its own psum
    out : int64 (steps, FIELDS)
    """
    for step in turns(share, part.shape[0]):
        about = parts[part[step]]
        blocks, sizes = about[BLOCKS], vector[about[VECTOR]]
        row = slice(rows_first[step], rows_first[step + 1])
        col = slice(cols_first[step], cols_first[step + 1])
        pixels = _pixels(
            bases[step],
            width,
            rows[row],
            row_taps[row],
            cols[col],
            col_taps[col],
            col_cycles[col],
            taps_count,
        )
        mac_end = np.zeros(blocks, np.int64)
        sums = np.zeros((SUMS, blocks), np.int64)  # by block, so that they are added up but once
        _recur(about, pixels, sizes, code[about[TILE]], fifo, port, mac_end, sums)
        _total(sums, mac_end, copies[part[step]], own_psum, out[step])
        _broadcast(pixels, sizes, glb_port, vector_port, out[step])


@parallel_kernel
def compute_cycles(
    share: Share,
    part: np.ndarray,
    bases: np.ndarray,
    piece: np.ndarray,
    rows_first: np.ndarray,
    rows: np.ndarray,
    row_taps: np.ndarray,
    cols_first: np.ndarray,
    cols: np.ndarray,
    col_cycles: np.ndarray,
    code: np.ndarray,
    parts: np.ndarray,
    transfer: np.ndarray,
    width: int,
    fifo: int,
    taps_count: int,
    like: np.ndarray,
    out: np.ndarray,
) -> None:
    """``COMPUTE`` of ``step_times`` alone, for plans that are compared.

    Times are kept in the type of ``like``, which holds the longest step.

    part, bases, piece : int64 (steps,), (k-tile, pass), first pixel of the image, rows and columns
    rows_first, cols_first : int64 (pieces+1,) into ``rows``/``row_taps``, ``cols``/``col_cycles``
    transfer : int64 (vectors, pixels), cycles of each broadcast
    out : int64 (steps,), in and out; others as above
    """
    for step in turns(share, part.shape[0]):
        about = parts[part[step]]
        blocks, slices, depth = about[BLOCKS], about[SLICES], about[WINDOW]
        waits, works = transfer[about[VECTOR]], code[about[TILE]]
        ca_end = np.zeros((slices, blocks), like.dtype)
        late, ready = np.zeros(blocks, like.dtype), np.zeros(blocks, like.dtype)
        mac_end = np.zeros(blocks, like.dtype)
        used = np.zeros(blocks, np.uint16)
        mac_starts = np.zeros((fifo, blocks), like.dtype)
        consumed = np.zeros(depth, np.int64)
        arrive = np.int64(0)
        turn, seat = np.int64(0), np.int64(0)
        this = piece[step]
        for row in range(rows_first[this], rows_first[this + 1]):
            for col in range(cols_first[this], cols_first[this + 1]):
                pixel = bases[step] + rows[row] * width + cols[col]
                arrive = max(arrive, consumed[turn]) + waits[pixel]
                more = row_taps[row] * col_cycles[col] - 1 if taps_count == 1 else np.int64(0)
                freeing = mac_starts[seat]
                for block in range(blocks):
                    late[block] = max(arrive, freeing[block])
                ready[:] = 0
                used[:] = 0
                for slice_ in range(slices):
                    begin = about[FIRST] + slice_ * about[PER_SLICE]
                    count = min(blocks, about[SLOTS] - slice_ * blocks)
                    work = works[pixel, begin : begin + count]
                    ends = ca_end[slice_]
                    for block in range(count):
                        end = max(ends[block], late[block]) + (work[block] >> 1)
                        ends[block] = end
                        ready[block] = max(ready[block], end)
                        used[block] |= work[block] & 1
                latest = np.int64(0)
                for block in range(blocks):
                    begin = max(mac_end[block], ready[block])
                    freeing[block] = begin
                    mac_end[block] = begin + 1 + used[block] * more
                    latest = max(latest, ready[block])
                consumed[turn] = latest
                turn = turn + 1 if turn + 1 < depth else np.int64(0)
                seat = seat + 1 if seat + 1 < fifo else np.int64(0)
        for block in range(blocks):
            out[step] = max(out[step], mac_end[block])


@parallel_kernel
def count_columns(
    share: Share,
    part: np.ndarray,
    parts: np.ndarray,
    code: np.ndarray,
    height: int,
    row_taps: np.ndarray,
    needed: np.ndarray,
    kernels: np.ndarray,
    zeros: np.ndarray,
) -> None:
    """What the MAC row of a block has to do in every input column of a plane.

    part : int64 (passes,), rows of ``parts``; row_taps : int64 (H,); needed : int64, input rows
    kernels : int64 (passes, images, W, blocks), in and out, kernel rows of the pixels with a V
        that is not zero
    zeros : of the same shape, pixels without one
    """
    passes, images, width, _ = kernels.shape
    for task in turns(share, passes * images):
        at, image = task // images, task % images
        about = parts[part[at]]
        blocks, works = about[BLOCKS], code[about[TILE]]
        used = np.zeros(blocks, np.uint16)
        for y in needed:
            for x in range(width):
                pixel = (image * height + y) * width + x
                used[:] = 0
                for slice_ in range(about[SLICES]):
                    begin = about[FIRST] + slice_ * about[PER_SLICE]
                    count = min(blocks, about[SLOTS] - slice_ * blocks)
                    work = works[pixel, begin : begin + count]
                    for block in range(count):
                        used[block] |= work[block] & 1
                some, none, taps = kernels[at, image, x], zeros[at, image, x], row_taps[y]
                for block in range(blocks):
                    some[block] += used[block] * taps
                    none[block] += 1 - used[block]
