"""Kernels for :mod:`arch.pairs`: the non-zeros that each tap of a convolution reads."""

import numpy as np

from arch.jit import parallel_kernel, turns
from arch.threads import Share

POSITIONS = 4096  # counted at once, so that neighbours in memory are read together
CHANNELS = 64  # the same for channels, whose coefficients stand together


@parallel_kernel
def count_taps(
    share: Share,
    flags: np.ndarray,
    strides: tuple[int, int],
    dilations: tuple[int, int],
    edges: tuple[int, int],
    P: int,
    Q: int,
    counts: np.ndarray,
) -> None:
    """For each tap of each input channel, how many outputs read a non-zero; all images.

    A row is summed once for every column of the kernel, and its sums serve all kernel rows.

    flags : uint8 (images, C, H, W), 1 where not zero
    strides, dilations : (down, across)
    edges : rows and columns of padding, at the top and at the left
    counts : int64 (C, R, S), in and out
    """
    images, channels, height, width = flags.shape
    (down, across), (skip, over), (top, left) = strides, dilations, edges
    R, S = counts.shape[1], counts.shape[2]
    for c in turns(share, channels):
        sums = np.zeros(S, np.int64)
        for image in range(images):
            for y in range(height):
                row = flags[image, c, y]
                for s in range(S):
                    first, total = s * over - left, np.int64(0)
                    low = max(0, (across - 1 - first) // across)
                    high = min(Q, (width - 1 - first) // across + 1)
                    for q in range(low, high):
                        total += row[q * across + first]
                    sums[s] = total
                for r in range(R):
                    start = y + top - r * skip
                    if start >= 0 and start % down == 0 and start // down < P:
                        for s in range(S):
                            counts[c, r, s] += sums[s]


@parallel_kernel
def count_filters(share: Share, weights: np.ndarray, counts: np.ndarray) -> None:
    """For each tap of each input channel, how many filters of its group have a non-zero weight.

    weights : integers (groups, filters of a group, positions); counts : int64 out (groups,
    positions), where positions are taps of the group's channels
    """
    groups, filters, positions = weights.shape
    chunks = (positions + POSITIONS - 1) // POSITIONS
    for task in turns(share, groups * chunks):
        group, low = task // chunks, task % chunks * POSITIONS
        size = min(POSITIONS, positions - low)
        found = np.zeros(size, np.int32)
        for k in range(filters):
            row = weights[group, k, low : low + size]
            for at in range(size):
                found[at] += np.int32(row[at] != 0)
        for at in range(size):
            counts[group, low + at] = found[at]


@parallel_kernel
def count_sums(
    share: Share,
    coefficients: np.ndarray,
    positive: np.ndarray,
    negative: np.ndarray,
    basis: np.ndarray,
    counts: np.ndarray,
) -> None:
    """The same, if a weight is the sum of scaled ternary coefficients times basis kernels.

    coefficients : int8 (groups, filters of a group, channels of a group, M)
    positive, negative : int32 (groups, filters of a group, M), what +1 and -1 count
    basis : int32 (M, taps)
    counts : int64 (groups, channels of a group, taps), in and out
    """
    groups, filters, size, bases = coefficients.shape
    taps = basis.shape[1]
    chunks = (size + CHANNELS - 1) // CHANNELS
    for task in turns(share, groups * chunks):
        group, low = task // chunks, task % chunks * CHANNELS
        weight = np.zeros(taps, np.int32)
        alone = np.zeros((CHANNELS, bases), np.int32)  # sums of one kernel: zero where that is
        for k in range(filters):
            for c in range(low, min(low + CHANNELS, size)):
                signs = coefficients[group, k, c]
                some, last = np.int64(0), np.int64(0)
                for m in range(bases):
                    used = np.int64(signs[m] != 0)
                    some += used
                    last += used * (m - last)
                if some == 1:
                    alone[c - low, last] += 1
                elif some > 1:
                    weight[:] = 0
                    for m in range(bases):
                        if signs[m] != 0:
                            factor = (
                                positive[group, k, m] if signs[m] > 0 else -negative[group, k, m]
                            )
                            for tap in range(taps):
                                weight[tap] += factor * basis[m, tap]
                    for tap in range(taps):
                        counts[group, c, tap] += np.int64(weight[tap] != 0)
        for c in range(low, min(low + CHANNELS, size)):
            for m in range(bases):
                for tap in range(taps):
                    counts[group, c, tap] += alone[c - low, m] * np.int64(basis[m, tap] != 0)
