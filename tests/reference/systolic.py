"""The slow systolic array: registers that move every cycle, real integers, plain loops.

Written from the description of the three dataflows, not from the closed forms: a word enters at
an edge, passes a line of skewing registers and walks from PE to PE.  Every fold waits until the
wave of the last operands has passed the far corner of the array; folds do not overlap.  Only with
a second stationary register in each PE (systolic_preloaded.py) does one fold follow another without
a gap.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

STONNE_GAP = 5  # cycles between folds: tool output of STONNE, see reports/published/


@dataclass(frozen=True)
class Trace:
    """What the array did: ``cycles``, the product (M, N) and the counts by name."""

    cycles: int
    product: np.ndarray
    counts: Counter


class Line:
    """A line of ``length`` registers in front of one row or column of the array."""

    def __init__(self, length):
        self.words = [None] * length

    def push(self, word, counts, tensor):
        """Move every word on by one register; returns the word that leaves."""
        moved = [word, *self.words]
        self.words = moved[:-1]
        for waiting in self.words:
            if waiting is not None and waiting[1] is not None:
                counts[f"operand write {tensor}"] += 1
                counts[f"operand read {tensor}"] += 1
        return moved[-1]


def spend(counts, rows, columns, used_rows, used_columns, busy):
    """Book one cycle of every PE: busy ones multiplied, the others waited or had no work."""
    used = used_rows * used_columns
    counts["mac"] += busy
    counts["fill_drain"] += used - busy
    counts["idle_mapping"] += rows * columns - used


def output_stationary_fold(a, b, rows, columns, counts, stonne):
    """One fold: a (used rows, K) from the left, b (K, used columns) from above."""
    used_rows, depth = a.shape
    used_columns = b.shape[1]
    left = [[None] * columns for _ in range(rows)]
    above = [[None] * columns for _ in range(rows)]
    sums = np.zeros((used_rows, used_columns), object)
    product = np.zeros((used_rows, used_columns), object)
    left_lines = [Line(i) for i in range(rows)]
    above_lines = [Line(j) for j in range(columns)]
    corner = (used_rows - 1, used_columns - 1) if stonne else (rows - 1, columns - 1)
    cycle = 0
    while True:
        next_left = [[None] * columns for _ in range(rows)]
        next_above = [[None] * columns for _ in range(rows)]
        if cycle < depth:
            counts["ifmap vectors"] += 1
            counts["filter vectors"] += 1
        for i in range(rows):
            word = None
            if cycle < depth:
                word = (cycle, a[i, cycle] if i < used_rows else None)
                counts["ifmap words"] += i < used_rows
            next_left[i][0] = left_lines[i].push(word, counts, "input")
            next_left[i][1:] = left[i][:-1]
        for j in range(columns):
            word = None
            if cycle < depth:
                word = (cycle, b[cycle, j] if j < used_columns else None)
                counts["filter words"] += j < used_columns
            next_above[0][j] = above_lines[j].push(word, counts, "weight")
            for i in range(1, rows):
                next_above[i][j] = above[i - 1][j]
        left, above = next_left, next_above
        busy = 0
        bus = Counter()
        for i in range(used_rows):
            for j in range(used_columns):
                if left[i][j] is None:
                    assert above[i][j] is None
                    continue
                k, value = left[i][j]
                assert above[i][j][0] == k
                for tensor in ("input", "weight"):
                    counts[f"operand write {tensor}"] += 1
                    counts[f"operand read {tensor}"] += 1
                sums[i, j] += int(value) * int(above[i][j][1])
                counts["psum read"] += 1
                counts["psum write"] += 1
                busy += 1
                if k == depth - 1:
                    bus[j] += 1
                    assert bus[j] == 1, "two results on one column bus"
                    product[i, j] = sums[i, j]
                    counts["psum read"] += 1
                    counts["output words"] += 1
        spend(counts, rows, columns, used_rows, used_columns, busy)
        cycle += 1
        last = left[corner[0]][corner[1]]
        if last is not None and last[0] == depth - 1:
            break
    for _ in range(STONNE_GAP if stonne else 0):
        spend(counts, rows, columns, used_rows, used_columns, 0)
        cycle += 1
    counts["output vectors"] += used_rows
    return cycle, product


def load_stationary(fixed, rows, columns, counts, names):
    """Shift the stationary tile in from above, bottom row first; returns it as a grid."""
    used_rows, used_columns = fixed.shape
    grid = [[None] * columns for _ in range(rows)]
    for cycle in range(rows):
        target = rows - 1 - cycle
        for j in range(used_columns):
            for i in range(rows - 1, 0, -1):
                grid[i][j] = grid[i - 1][j]
                if grid[i][j] is not None:
                    counts[f"operand read {names['fixed']}"] += 1
                    counts[f"operand write {names['fixed']}"] += 1
            grid[0][j] = int(fixed[target, j]) if target < used_rows else None
            if grid[0][j] is not None:
                counts[f"operand write {names['fixed']}"] += 1
                counts[f"{names['fixed pad']} words"] += 1
        counts[f"{names['fixed pad']} vectors"] += target < used_rows
        spend(counts, rows, columns, used_rows, used_columns, 0)
    return grid


def stationary_fold(stream, fixed, rows, columns, counts, names):
    """One fold: ``fixed`` (used rows, used columns) stays, ``stream`` (T, used rows) passes."""
    used_rows, used_columns = fixed.shape
    length = stream.shape[0]
    grid = load_stationary(fixed, rows, columns, counts, names)
    moving = [[None] * columns for _ in range(rows)]
    psums = [[None] * columns for _ in range(rows)]
    lines = [Line(i) for i in range(rows)]
    product = np.zeros((length, used_columns), object)
    cycle = 0
    while True:
        next_moving = [[None] * columns for _ in range(rows)]
        counts[f"{names['stream pad']} vectors"] += cycle < length
        for i in range(rows):
            word = None
            if cycle < length:
                word = (cycle, stream[cycle, i] if i < used_rows else None)
                counts[f"{names['stream pad']} words"] += i < used_rows
            next_moving[i][0] = lines[i].push(word, counts, names["stream"])
            next_moving[i][1:] = moving[i][:-1]
        next_psums = [[None] * columns for _ in range(rows)]
        busy = 0
        for i in range(rows):
            for j in range(used_columns):
                if next_moving[i][j] is None:
                    continue
                t, value = next_moving[i][j]
                total = 0
                if i > 0:
                    assert psums[i - 1][j][0] == t
                    total = psums[i - 1][j][1]
                    counts["psum read"] += 1
                if i < used_rows:
                    total += int(value) * grid[i][j]
                    counts[f"operand write {names['stream']}"] += 1
                    counts[f"operand read {names['stream']}"] += 1
                    counts[f"operand read {names['fixed']}"] += 1
                    busy += 1
                next_psums[i][j] = (t, total)
                counts["psum write"] += 1
                if i == rows - 1:
                    product[t, j] = total
                    counts["psum read"] += 1
        moving, psums = next_moving, next_psums
        spend(counts, rows, columns, used_rows, used_columns, busy)
        cycle += 1
        last = moving[rows - 1][columns - 1]
        if last is not None and last[0] == length - 1:
            return rows + cycle, product


def pieces(total, size):
    """Cut 0..total into pieces of ``size``."""
    return [(low, min(low + size, total)) for low in range(0, total, size)]


def accumulate(result, part, at, first, last, counts):
    """Add one fold's results to those in the ofmap scratchpad."""
    t_range, j_range = at
    result[slice(*t_range), slice(*j_range)] += part
    words, vectors = part.size, part.shape[0]
    if not first:
        counts["psum words read"] += words
        counts["psum vectors read"] += vectors
    kind = "output" if last else "psum"
    counts[f"{kind} words"] += words
    counts[f"{kind} vectors"] += vectors


def output_stationary(a, b, rows, columns, counts, stonne):
    """Folds in SCALE-Sim's order: columns of folds outside, rows of folds inside."""
    product = np.zeros((a.shape[0], b.shape[1]), object)
    total = 0
    used = (0, 0)
    for n in pieces(b.shape[1], columns):
        for m in pieces(a.shape[0], rows):
            used = (m[1] - m[0], n[1] - n[0])
            cycles, part = output_stationary_fold(
                a[slice(*m)], b[:, slice(*n)], rows, columns, counts, stonne
            )
            product[slice(*m), slice(*n)] = part
            total += cycles
    return total, product, used


def stationary(stream, fixed, rows, columns, counts, names):
    """Weight or input stationary: ``stream`` (T, K) against ``fixed`` (K, J)."""
    depth = fixed.shape[0]
    product = np.zeros((stream.shape[0], fixed.shape[1]), object)
    total = 0
    used = (0, 0)
    for j in pieces(fixed.shape[1], columns):
        for k in pieces(depth, rows):
            used = (k[1] - k[0], j[1] - j[0])
            cycles, part = stationary_fold(
                stream[:, slice(*k)], fixed[slice(*k), slice(*j)], rows, columns, counts, names
            )
            at = ((0, stream.shape[0]), j)
            accumulate(product, part, at, k[0] == 0, k[1] == depth, counts)
            total += cycles
    return total, product, used


WEIGHT_STATIONARY = {
    "stream": "input",
    "stream pad": "ifmap",
    "fixed": "weight",
    "fixed pad": "filter",
}
INPUT_STATIONARY = {
    "stream": "weight",
    "stream pad": "filter",
    "fixed": "input",
    "fixed pad": "ifmap",
}


def run_gemm(a, b, rows, columns, dataflow, fold_overhead="scalesim"):
    """Multiply a (M, K) by b (K, N) on the array.

    SCALE-Sim numbers cycles from 0 and reports the number of the last one, so one cycle fewer is
    reported than was spent; it is taken from the waiting PEs of the last fold.
    """
    counts = Counter()
    stonne = fold_overhead == "stonne"
    if dataflow == "os":
        total, product, used = output_stationary(a, b, rows, columns, counts, stonne)
    elif dataflow == "ws":
        total, product, used = stationary(a, b, rows, columns, counts, WEIGHT_STATIONARY)
    else:
        total, product, used = stationary(b.T, a.T, rows, columns, counts, INPUT_STATIONARY)
        product = product.T
    if not stonne:
        total -= 1
        counts["fill_drain"] -= used[0] * used[1]
        counts["idle_mapping"] -= rows * columns - used[0] * used[1]
    return Trace(total, product.astype(np.int64), counts)
