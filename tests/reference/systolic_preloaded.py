"""The slow systolic array whose PEs have two stationary registers, cycle by cycle."""

from collections import Counter

import numpy as np

from tests.reference.systolic import (
    INPUT_STATIONARY,
    WEIGHT_STATIONARY,
    Line,
    Trace,
    accumulate,
    pieces,
    spend,
)


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
