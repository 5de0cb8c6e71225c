"""Section 6: the time of one step, block by block and slice by slice, and who waited for what."""

import numpy as np
from numba import prange

from arch.jit import kernel

# Columns of the result of ``step_times``.
COMPUTE, MAC, CA, BROADCAST, SLOWEST, PAIRS, CA_SUM, USED, PRODUCTS, PSUM_WRITES = range(10)
VECTOR_BYTES, GLB_READS = range(10, 12)
FIELDS = 12


@kernel(parallel=True)
def step_times(
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
    slices_in: np.ndarray,
    blocks_in: np.ndarray,
    pairs: np.ndarray,
    vector: np.ndarray,
    window: np.ndarray,
    width: int,
    fifo: int,
    port: int,
    glb_port: int,
    taps_count: int,
    own_psum: int,
    out: np.ndarray,
) -> None:
    """Recurrences of every step; steps share nothing.

    part, bases : int64 (steps,), (k-tile, pass) of the step, first pixel of its image
    rows_first, cols_first : int64 (steps+1,) into ``rows``/``row_taps`` and ``cols``/``col_*``
    row_taps, col_taps, col_cycles : legal kernel rows, legal columns, cycles per kernel row
    code : unsigned (parts, pixels, slots), 2 * t_CA + (V is not zero), slice by slice
    slices_in, blocks_in : int64 (parts,); a slot without work has code 0, which delays nobody
    pairs : int64 (parts, pixels); vector : int64 (parts, pixels), bytes broadcast
    window : int64 (parts,), effective broadcast window
    width : input columns; fifo : FIFO entries; port, glb_port : bytes per cycle and per read
    taps_count : 1 where t_MAC is the taps, 0 for pointwise; own_psum : each slice has its own psum
    out : int64 (steps, FIELDS)
    """
    for step in prange(part.shape[0]):
        n = part[step]
        blocks, slices, depth = blocks_in[n], slices_in[n], window[n]
        ca_end = np.zeros((slices, blocks), np.int64)
        ready = np.zeros(blocks, np.int64)
        used = np.zeros(blocks, np.int64)
        mac_end = np.zeros(blocks, np.int64)
        mac_starts = np.zeros((fifo, blocks), np.int64)
        consumed = np.zeros(depth, np.int64)
        arrived = np.int64(0)
        turn, seat = np.int64(0), np.int64(0)  # pixel modulo window, modulo FIFO
        ca_sum = mac = ca = waiting = behind = uses = products = writes = np.int64(0)
        pair_sum = vector_sum = reads = np.int64(0)
        for row in range(rows_first[step], rows_first[step + 1]):
            for col in range(cols_first[step], cols_first[step + 1]):
                pixel = bases[step] + rows[row] * width + cols[col]
                freed = consumed[turn]
                size = vector[n, pixel]
                arrive = max(arrived, freed) + (size + port - 1) // port
                full = row_taps[row] * col_cycles[col] if taps_count == 1 else np.int64(1)
                taps = row_taps[row] * col_taps[col] if taps_count == 1 else np.int64(0)
                work = code[n, pixel]
                freeing = mac_starts[seat]
                for block in range(blocks):
                    ready[block] = 0
                    used[block] = 0
                for piece in range(slices):
                    base = piece * blocks
                    ends = ca_end[piece]
                    for block in range(blocks):
                        entry = np.int64(work[base + block])
                        cycles = entry >> 1
                        end = max(ends[block], max(arrive, freeing[block])) + cycles
                        ends[block] = end
                        ready[block] = max(ready[block], end)
                        used[block] += entry & 1
                        ca_sum += cycles
                latest = np.int64(0)
                early = np.int64(0)
                for block in range(blocks):
                    before = mac_end[block]
                    begin = max(before, ready[block])
                    busy = full if used[block] > 0 else np.int64(1)
                    latest = max(latest, ready[block])
                    early += max(min(begin, arrive) - before, 0)
                    ca += begin - max(before, min(begin, arrive))
                    mac += busy
                    mac_end[block] = begin + busy
                    freeing[block] = begin
                    uses += used[block]
                    products += used[block] * taps
                    if own_psum == 1:
                        writes += used[block] * taps
                    else:
                        writes += taps if used[block] > 0 else np.int64(0)
                if arrived >= freed:
                    waiting += early
                else:
                    behind += early
                consumed[turn] = latest
                arrived = arrive
                pair_sum += pairs[n, pixel]
                vector_sum += size
                reads += (size + glb_port - 1) // glb_port
                turn = turn + 1 if turn + 1 < depth else np.int64(0)
                seat = seat + 1 if seat + 1 < fifo else np.int64(0)
        compute = np.int64(0)
        for block in range(blocks):
            compute = max(compute, mac_end[block])
        for block in range(blocks):
            behind += compute - mac_end[block]
        result = out[step]
        result[COMPUTE], result[MAC], result[CA] = compute, mac, ca
        result[BROADCAST], result[SLOWEST] = waiting, behind
        result[PAIRS], result[CA_SUM] = pair_sum, ca_sum
        result[USED], result[PRODUCTS], result[PSUM_WRITES] = uses, products, writes
        result[VECTOR_BYTES], result[GLB_READS] = vector_sum, reads
