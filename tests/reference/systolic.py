"""The slow systolic array: registers that move every cycle, real integers, plain loops.

Written from the description of the three dataflows, not from the closed forms: a word enters at
an edge, passes a line of skewing registers and walks from PE to PE.  Every fold waits until the
wave of the last operands has passed the far corner of the array; folds do not overlap.  Only with
a second stationary register in each PE, at the end of this file, does one fold follow another
without a gap.
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


class Preloading:
    """An array whose PEs have two stationary registers: one in use, one that the next tile fills.

    A PE changes over when the first word of the next fold reaches it, so that fold's words follow
    directly behind those of the fold before.  From then on the tile after it may pass the freed
    register: its words enter a column bottom row first, one cycle later per column, and each
    walks down to its row.
    """

    def __init__(self, folds, rows, columns, counts, names):
        """``folds``: pairs of a stream (T, used rows) and a tile (used rows, used columns)."""
        self.folds, self.rows, self.columns = folds, rows, columns
        self.counts, self.names = counts, names
        self.products = [
            np.zeros((stream.shape[0], fixed.shape[1]), object) for stream, fixed in folds
        ]
        self.using = [[None] * columns for _ in range(rows)]  # (fold, value)
        self.filling = [[None] * columns for _ in range(rows)]  # (fold, target row, value)
        self.moving = [[None] * columns for _ in range(rows)]  # (fold, t, value)
        self.psums = [[None] * columns for _ in range(rows)]
        self.stream_lines = [Line(i) for i in range(rows)]
        self.fixed_lines = [Line(j) for j in range(columns)]

    def enter_tile(self, fold, word_row):
        """One row of a tile enters, or nothing; every word moves one row on towards its own."""
        fixed = self.folds[fold][1] if word_row is not None else None
        if fixed is not None and word_row < fixed.shape[0]:
            self.counts[f"{self.names['fixed pad']} vectors"] += 1
            self.counts[f"{self.names['fixed pad']} words"] += fixed.shape[1]
        for j in range(self.columns):
            word = None
            if fixed is not None:
                inside = word_row < fixed.shape[0] and j < fixed.shape[1]
                word = (fold, int(fixed[word_row, j]) if inside else None, word_row)
            word = self.fixed_lines[j].push(word, self.counts, self.names["fixed"])
            if word is not None:
                word = (word[0], word[2], word[1])
            for i in range(self.rows):
                there = self.filling[i][j]
                passing = there is not None and there[1] > i
                if word is not None:
                    # A word that has come to rest was taken into use before the next one passes.
                    assert passing or there is None or self.using[i][j][0] == there[0]
                    self.filling[i][j] = word
                    self.book_tile(word, "write")
                elif passing:
                    self.filling[i][j] = None
                if passing:
                    self.book_tile(there, "read")
                word = there if passing else None

    def book_tile(self, word, action):
        """A register access, unless the place in the tile is empty."""
        self.counts[f"operand {action} {self.names['fixed']}"] += word[2] is not None

    def enter_stream(self, fold, t):
        """Word ``t`` of a stream enters, or nothing; all words and psums move on.  PEs at work."""
        counts, names = self.counts, self.names
        stream = self.folds[fold][0] if t is not None else None
        counts[f"{names['stream pad']} vectors"] += stream is not None
        following = []
        for i in range(self.rows):
            word = None
            if stream is not None:
                used = i < stream.shape[1]
                word = (fold, stream[t, i] if used else None, t)
                counts[f"{names['stream pad']} words"] += used
            word = self.stream_lines[i].push(word, counts, names["stream"])
            following.append([word, *self.moving[i][:-1]])
        self.moving = following
        psums = [[None] * self.columns for _ in range(self.rows)]
        busy = 0
        for i in range(self.rows):
            for j in range(self.columns):
                if following[i][j] is not None:
                    busy += self.work(i, j, psums)
        self.psums = psums
        return busy

    def work(self, i, j, psums):
        """One PE: change over if a fold begins, multiply, hand the psum down; whether it did."""
        counts, names = self.counts, self.names
        fold, value, t = self.moving[i][j]
        used_rows, used_columns = self.folds[fold][1].shape
        if t == 0:
            waiting = self.filling[i][j]
            assert waiting[:2] == (fold, i), "the next tile is not there yet"
            self.using[i][j] = (fold, waiting[2])
        assert self.using[i][j][0] == fold
        if j >= used_columns:
            return 0
        total = 0
        if i > 0:
            assert self.psums[i - 1][j][:2] == (fold, t)
            total = self.psums[i - 1][j][2]
            counts["psum read"] += 1
        if i < used_rows:
            total += int(value) * self.using[i][j][1]
            counts[f"operand write {names['stream']}"] += 1
            counts[f"operand read {names['stream']}"] += 1
            counts[f"operand read {names['fixed']}"] += 1
        psums[i][j] = (fold, t, total)
        counts["psum write"] += 1
        if i == self.rows - 1:
            self.products[fold][t, j] = total
            counts["psum read"] += 1
        return i < used_rows

    def run(self):
        """All folds; the cycles they took."""
        fold, t, entered, cycle = -1, 0, 0, 0
        while True:
            streamed = fold < 0 or t == self.folds[fold][0].shape[0]
            last = fold == len(self.folds) - 1
            if streamed and entered == self.rows and not last:
                fold, t, entered, streamed = fold + 1, 0, 0, False
                last = fold == len(self.folds) - 1
            # The stream first: a PE changes over before the next tile may enter its register.
            busy = self.enter_stream(fold, None if streamed else t)
            t += not streamed
            more = not last and entered < self.rows
            self.enter_tile(fold + 1, self.rows - 1 - entered if more else None)
            entered += more
            spend(self.counts, self.rows, self.columns, *self.folds[max(fold, 0)][1].shape, busy)
            cycle += 1
            corner = self.moving[-1][-1]
            final = (len(self.folds) - 1, self.folds[-1][0].shape[0] - 1)
            if corner is not None and (corner[0], corner[2]) == final:
                return cycle


def preloaded(pairs, rows, columns, counts, names):
    """Products of streams (T, K) with ``fixed`` (K, J), one after another in one chain of folds."""
    places = [
        (number, j, k)
        for number, (_, fixed) in enumerate(pairs)
        for j in pieces(fixed.shape[1], columns)
        for k in pieces(fixed.shape[0], rows)
    ]
    folds = [
        (pairs[number][0][:, slice(*k)], pairs[number][1][slice(*k), slice(*j)])
        for number, j, k in places
    ]
    array = Preloading(folds, rows, columns, counts, names)
    cycles = array.run()
    results = [np.zeros((stream.shape[0], fixed.shape[1]), object) for stream, fixed in pairs]
    for (number, j, k), part in zip(places, array.products, strict=True):
        stream, fixed = pairs[number]
        at = ((0, stream.shape[0]), j)
        accumulate(results[number], part, at, k[0] == 0, k[1] == fixed.shape[0], counts)
    return cycles, results


def run_preloaded(pairs, rows, columns, dataflow):
    """Multiply every a (M, K) by its b (K, N) in one chain; returns a trace of stacked products."""
    counts = Counter()
    if dataflow == "ws":
        cycles, results = preloaded(pairs, rows, columns, counts, WEIGHT_STATIONARY)
    else:
        turned = [(b.T, a.T) for a, b in pairs]
        cycles, results = preloaded(turned, rows, columns, counts, INPUT_STATIONARY)
        results = [product.T for product in results]
    return Trace(cycles, np.stack([product.astype(np.int64) for product in results]), counts)


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


def unfold(layer, activations, group):
    """The M x K operand of one group: output pixels in raster order, taps as (c, r, s)."""
    top, _, left, _ = layer.padding
    channels = layer.C // layer.groups
    lines = []
    for image in activations:
        for p in range(layer.P):
            for q in range(layer.Q):
                line = []
                for c in range(group * channels, (group + 1) * channels):
                    for r in range(layer.R):
                        for s in range(layer.S):
                            h = p * layer.stride - top + r * layer.dilation
                            w = q * layer.stride - left + s * layer.dilation
                            inside = 0 <= h < layer.H and 0 <= w < layer.W
                            line.append(int(image[c, h, w]) if inside else 0)
                lines.append(line)
    return np.array(lines, np.int64)


def run_layer(layer, activations, weights, rows, columns, dataflow, fold_overhead="scalesim"):
    """A convolution, group after group; psums (N, K, P, Q), cycles and counts added up."""
    filters = layer.K // layer.groups
    images = activations.shape[0]
    pairs = [
        (
            unfold(layer, activations, group),
            weights[group * filters : (group + 1) * filters].reshape(filters, -1).T,
        )
        for group in range(layer.groups)
    ]
    if fold_overhead == "preloaded":
        chain = run_preloaded(pairs, rows, columns, dataflow)
        cycles, counts, products = chain.cycles, chain.counts, chain.product
    else:
        traces = [run_gemm(a, b, rows, columns, dataflow, fold_overhead) for a, b in pairs]
        cycles = sum(trace.cycles for trace in traces)
        counts = sum((trace.counts for trace in traces), Counter())
        products = [trace.product for trace in traces]
    psums = np.zeros((images, layer.K, layer.P, layer.Q), np.int64)
    for group, product in enumerate(products):
        shape = (images, layer.P, layer.Q, filters)
        chosen = slice(group * filters, (group + 1) * filters)
        psums[:, chosen] = product.reshape(shape).transpose(0, 3, 1, 2)
    return Trace(cycles, psums, counts)
