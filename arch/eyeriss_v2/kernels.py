"""The counting loops: plain arrays in and out; a pass writes only its own tile and groups."""

import numpy as np

from arch.jit import kernel, parallel_kernel, turns
from arch.threads import Share


@parallel_kernel
def slowest_pe(
    share: Share,
    taps: np.ndarray,
    words: np.ndarray,
    tiles: np.ndarray,
    steps: np.ndarray,
    parts: np.ndarray,
    longest: np.ndarray,
) -> None:
    """Slots of the slowest PE of each pass.

    taps : int32 (f1, N, C, padded rows, S), iacts met; words : int32 (G, M pieces, C/G, R, S)
    tiles : int64 (tiles + 1,), output rows; steps : int64, stride and dilation of rows, P
    parts : int64, C0, S0, D, g1, m1, e1
    longest : int64 out (tiles, turns over groups, output channels, items), zeros on entry
    """
    stride, dilation, P = steps
    C0, S0, D, g1, m1, e1 = parts
    groups, m_pieces, channels, R, S = words.shape
    s_pieces = (S + S0 - 1) // S0
    c_pieces = (channels + C0 - 1) // C0
    rounds = longest.shape[1]
    for task in turns(share, longest.shape[0] * rounds):
        tile, turn = task // rounds, task % rounds
        met = np.empty((channels, R, S), np.int64)
        for g in range(turn * g1, min((turn + 1) * g1, groups)):
            for e in range(min(e1, tiles[tile + 1] - tiles[tile])):
                for f in range(taps.shape[0]):
                    met[:] = 0
                    for row in range(tiles[tile] + e, tiles[tile + 1], e1):
                        image, top = row // P, row % P * stride
                        for c in range(channels):
                            for r in range(R):
                                for s in range(S):
                                    met[c, r, s] += taps[
                                        f, image, g * channels + c, top + r * dilation, s
                                    ]
                    for m in range(m_pieces):
                        item = 0
                        for cp in range(c_pieces):
                            for r in range(R):
                                for sp in range(s_pieces):
                                    slots = np.int64(0)
                                    for c in range(cp * C0, min((cp + 1) * C0, channels)):
                                        for s in range(sp * S0, min((sp + 1) * S0, S)):
                                            slots += met[c, r, s] * words[g, m, c, r, s]
                                    if slots > longest[tile, turn, m // m1, item // D]:
                                        longest[tile, turn, m // m1, item // D] = slots
                                    item += 1


@parallel_kernel
def iacts_sent(
    share: Share,
    sent: np.ndarray,
    tiles: np.ndarray,
    steps: np.ndarray,
    parts: np.ndarray,
    words: np.ndarray,
) -> None:
    """Iacts that leave the GLB in each pass; one word reaches all PEs that want it at that time.

    sent : int64 (G, C pieces, N x H), iacts of an input row that are read at all
    tiles : int64 (tiles + 1,); steps : int64, stride and dilation of rows, P, top padding, H
    parts : int64, kernel pieces, pieces of a kernel row, D, g1, e1
    words : int64 out (tiles, turns over groups, turns over items)
    """
    stride, dilation, P, padding, H = steps
    kernel_pieces, s_pieces, D, g1, e1 = parts
    groups, c_pieces, rows = sent.shape
    items = c_pieces * kernel_pieces
    rounds = words.shape[1]
    for task in turns(share, words.shape[0] * rounds):
        tile, turn = task // rounds, task % rounds
        seen = np.full(rows, -1, np.int64)
        stamp = 0
        for d in range(words.shape[2]):
            total = np.int64(0)
            first, last = d * D, min((d + 1) * D, items)
            for cp in range(first // kernel_pieces, (last - 1) // kernel_pieces + 1):
                low = max(first - cp * kernel_pieces, 0) // s_pieces
                high = (min(last - cp * kernel_pieces, kernel_pieces) - 1) // s_pieces
                for start in range(tiles[tile], tiles[tile + 1], e1):
                    stamp += 1
                    for row in range(start, min(start + e1, tiles[tile + 1])):
                        for r in range(low, high + 1):
                            h = row % P * stride - padding + r * dilation
                            if h < 0 or h >= H:
                                continue
                            at = row // P * H + h
                            if seen[at] == stamp:
                                continue
                            seen[at] = stamp
                            for g in range(turn * g1, min((turn + 1) * g1, groups)):
                                total += sent[g, cp, at]
            words[tile, turn, d] = total


@kernel
def weigh_passes(words: np.ndarray, parts: np.ndarray, most: np.ndarray, total: np.ndarray) -> None:
    """Words of weights of each pass: in its fullest PE and in all different ones together.

    words : int64 (G, M pieces, items); parts : int64, D, g1, m1
    most, total : int64 out (turns over groups, output channels, items), zeros on entry
    """
    D, g1, m1 = parts
    for g in range(words.shape[0]):
        for m in range(words.shape[1]):
            for item in range(words.shape[2]):
                at = (g // g1, m // m1, item // D)
                most[at] = max(most[at], words[g, m, item])
                total[at] += words[g, m, item]


@kernel
def pe_slots(met: np.ndarray, words: np.ndarray, parts: np.ndarray, slots: np.ndarray) -> None:
    """Slots of every PE in every part of the outputs.

    met : int32 (parts, G, C/G, R, S), iacts met; words : int32 (G, M pieces, C/G, R, S)
    parts : int64, C0, S0
    slots : int64 out (parts, G, M pieces, items), zeros on entry
    """
    C0, S0 = parts
    groups, m_pieces, channels, R, S = words.shape
    s_pieces = (S + S0 - 1) // S0
    for part in range(slots.shape[0]):
        for g in range(groups):
            for m in range(m_pieces):
                for c in range(channels):
                    item = c // C0 * R * s_pieces
                    for r in range(R):
                        for low in range(0, S, S0):
                            total = np.int64(0)
                            for s in range(low, min(low + S0, S)):
                                total += met[part, g, c, r, s] * words[g, m, c, r, s]
                            slots[part, g, m, item] += total
                            item += 1


@kernel
def met_by_pes(taps: np.ndarray, tiles: np.ndarray, steps: np.ndarray, met: np.ndarray) -> None:
    """Iacts that each tap meets in the output rows of one PE.

    taps : int32 (f1, N, C, padded rows, S); tiles : int64 (tiles + 1,), output rows
    steps : int64, stride and dilation of rows, P
    met : int32 out (tiles, C, R, S, f1 x e1), zeros on entry
    """
    stride, dilation, P = steps
    channels, R, S, pes = met.shape[1:]
    e1 = pes // taps.shape[0]
    for tile in range(met.shape[0]):
        for row in range(tiles[tile], tiles[tile + 1]):
            e, image, top = (row - tiles[tile]) % e1, row // P, row % P * stride
            for c in range(channels):
                for r in range(R):
                    for s in range(S):
                        for f in range(taps.shape[0]):
                            found = taps[f, image, c, top + r * dilation, s]
                            met[tile, c, r, s, f * e1 + e] += found


@kernel
def slowest_of(
    met: np.ndarray, words: np.ndarray, parts: np.ndarray, most: int, longest: np.ndarray
) -> bool:
    """Slots of the slowest PE of each pass; stops, false, once they are more than ``most``.

    met : int32 (tiles, G, C/G, R, S, PEs that share weights)
    words : int32 (G, M pieces, C/G, R, S)
    parts : int64, C0, S0, D, g1, m1
    longest : int64 out (tiles, turns over groups, output channels, items), zeros on entry
    """
    C0, S0, D, g1, m1 = parts
    groups, m_pieces, channels, R, S = words.shape
    s_pieces = (S + S0 - 1) // S0
    items = (channels + C0 - 1) // C0 * R * s_pieces
    slots = np.zeros((items, met.shape[5]), np.int64)
    all_slots = np.int64(0)
    for tile in range(met.shape[0]):
        for g in range(groups):
            for m in range(m_pieces):
                slots[:] = 0
                for c in range(channels):
                    for r in range(R):
                        for s in range(S):
                            word = np.int64(words[g, m, c, r, s])
                            item = (c // C0 * R + r) * s_pieces + s // S0
                            for pe in range(slots.shape[1]):
                                slots[item, pe] += met[tile, g, c, r, s, pe] * word
                slowest = longest[tile, g // g1, m // m1]
                for item in range(items):
                    for pe in range(slots.shape[1]):
                        slowest[item // D] = max(slowest[item // D], slots[item, pe])
        all_slots += longest[tile].sum()
        if all_slots > most:
            return False
    return True


@kernel
def stored_under(bits: np.ndarray, tiles: np.ndarray, steps: np.ndarray, found: np.ndarray) -> None:
    """Bits of all input rows under each tile, each row once.

    bits : int64 (N x H, G, C pieces); tiles : int64 (tiles + 1,), output rows
    steps : int64, stride and dilation of rows, P, top padding, H, R
    found : int64 out (tiles, G, C pieces), zeros on entry
    """
    stride, dilation, P, padding, H, R = steps
    seen = np.full(bits.shape[0], -1, np.int64)
    for tile in range(found.shape[0]):
        for row in range(tiles[tile], tiles[tile + 1]):
            for r in range(R):
                h = row % P * stride - padding + r * dilation
                if 0 <= h < H and seen[row // P * H + h] != tile:
                    seen[row // P * H + h] = tile
                    for g in range(found.shape[1]):
                        for c in range(found.shape[2]):
                            found[tile, g, c] += bits[row // P * H + h, g, c]
