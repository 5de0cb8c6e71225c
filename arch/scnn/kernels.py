"""The cycles of all blocks, compiled.

A block multiplies I activations by F weights.  The bank of a product is a hash of its output
coordinate (source: DNNsim's SCNN model, described): bits 0 and 1 the filter's lowest two, bit 2 the
row's lowest, bit 3 the column's lowest, bit 4 the exclusive or of the filter's third bit and the
second bits of row and column.

Pixels of a kind (see ``plan.Axis``) meet every weight in the same banks, so the products of one
pixel with a block of weights are counted bank by bank once for each kind, a byte for each bank.
"""

import numpy as np
from numba import prange

from arch.jit import kernel

BANKS = 32
MOST_PRODUCTS = 127  # of a block: a bank's count is kept in seven bits
AT_ONCE = 16  # weight blocks whose banks are tabled together, so that the table stays in cache


@kernel()
def _larger(a: np.uint64, b: np.uint64) -> np.uint64:
    """The larger of every pair of bytes; all bytes are at most 127."""
    tops = np.uint64(0x8080808080808080)
    first = (((a | tops) - b) & tops) >> np.uint64(7)  # 1 where a >= b
    mask = first * np.uint64(0xFF)
    return (a & mask) | (b & ~mask)


@kernel()
def _fullest(a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64) -> np.int64:
    """The largest of 32 bytes, at least 1."""
    most = _larger(_larger(a, b), _larger(c, d))
    most = _larger(most, most >> np.uint64(32))
    most = _larger(most, most >> np.uint64(16))
    most = _larger(most, most >> np.uint64(8))
    return np.int64(max(np.int64(1), np.int64(most & np.uint64(0xFF))))


@kernel()
def _tabulate(
    weights: np.ndarray,
    weights_per_block: int,
    row_out: np.ndarray,
    column_out: np.ndarray,
    table: np.ndarray,
) -> None:
    """Products in each bank, of one pixel with every block of ``weights``.

    row_out, column_out : int64 (R,), (S,), the pixel's output row and column by tap, -1 outside
    table : uint64 out (blocks, 4), a byte for each bank
    """
    S = column_out.size
    table[:] = 0
    for at in range(weights.size):
        tap, k = weights[at] >> 3, np.int64(weights[at] & 7)
        y, x = row_out[tap // S], column_out[tap % S]
        if y >= 0 and x >= 0:
            low = (k & 3) | (y & 1) << 2
            word = (x & 1) | (((k >> 2) ^ (x >> 1) ^ (y >> 1)) & 1) << 1
            table[at // weights_per_block, word] += np.uint64(1) << np.uint64(8 * low)


@kernel(parallel=True)
def block_cycles(
    pixels: np.ndarray,
    pixel_first: np.ndarray,
    weights: np.ndarray,
    weight_first: np.ndarray,
    row_out: np.ndarray,
    column_out: np.ndarray,
    per_block: int,
    weights_per_block: int,
    cycles: np.ndarray,
) -> None:
    """Cycles of every group of filters, channel and tile: each block takes its fullest bank.

    pixels : int32 (C, H W), kinds (row kind x column kinds + column kind), queue by queue
    pixel_first : int32 (C, tiles x phases + 1), where each tile's phases begin in ``pixels``
    weights : int32, (kernel row x S + kernel column) x 8 + the filter's lowest three bits
    weight_first : int64 (groups of filters, C, phases + 1), where each phase begins
    row_out : int64 (row kinds, R), output row of a kind and a kernel row, -1 outside
    column_out : int64 (column kinds, S)
    per_block, weights_per_block : I and F, whose product is at most 127
    cycles : int64 out (groups of filters, C, tiles)
    """
    groups, channels, tiles = cycles.shape
    phases = weight_first.shape[2] - 1
    across = column_out.shape[0]
    kinds = row_out.shape[0] * across
    for task in prange(groups * channels):
        g, c = task // channels, task % channels
        cycles[g, c, :] = 0
        if weight_first[g, c, 0] == weight_first[g, c, phases] or pixel_first[c, -1] == 0:
            continue
        slot = np.zeros(kinds, np.int64)
        met = np.empty(kinds, np.int64)
        together = np.zeros(per_block, np.int64)
        for phase in range(phases):
            low, high = weight_first[g, c, phase], weight_first[g, c, phase + 1]
            if low == high:
                continue
            slot[:] = 0
            count = 0
            for tile in range(tiles):
                queue = tile * phases + phase
                for at in range(pixel_first[c, queue], pixel_first[c, queue + 1]):
                    which = pixels[c, at]
                    if slot[which] == 0:
                        met[count] = which
                        count += 1
                        slot[which] = count
            table = np.zeros((count + 1, AT_ONCE, 4), np.uint64)  # nothing in slot 0
            step = AT_ONCE * weights_per_block
            for begin in range(low, high, step):
                some = weights[begin : min(begin + step, high)]
                blocks = (some.size + weights_per_block - 1) // weights_per_block
                for entry in range(count):
                    row, column = met[entry] // across, met[entry] % across
                    _tabulate(
                        some,
                        weights_per_block,
                        row_out[row],
                        column_out[column],
                        table[entry + 1, :blocks],
                    )
                for tile in range(tiles):
                    queue = tile * phases + phase
                    found = np.int64(0)
                    stop = pixel_first[c, queue + 1]
                    for at in range(pixel_first[c, queue], stop, per_block):
                        for i in range(per_block):
                            together[i] = slot[pixels[c, at + i]] if at + i < stop else 0
                        for block in range(blocks):
                            one = table[together[0], block]
                            w, x, y, z = one[0], one[1], one[2], one[3]
                            for i in range(1, per_block):
                                one = table[together[i], block]
                                w += one[0]
                                x += one[1]
                                y += one[2]
                                z += one[3]
                            found += _fullest(w, x, y, z)
                    cycles[g, c, tile] += found
