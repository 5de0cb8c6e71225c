"""The slow Eyeriss: passes, PEs and streams one after the other, with real integers.

Written from the description of row stationary, not from the closed forms: rows and columns that
a pass needs are collected in sets, every multiplication and every hop of a psum is booked on its
own, coded feature maps are written pair by pair.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np


def up(size, part):
    """size / part, rounded up."""
    return -(-size // part)


def pieces(total, size):
    """Ranges of at most ``size``."""
    return [range(low, min(low + size, total)) for low in range(0, total, size)]


def pairs_by_row(plane, longest):
    """The coded stream of one plane: for each pair the row in which it ends."""
    flat = plane.ravel().tolist()
    while flat and flat[-1] == 0:
        flat.pop()
    found, run = [], 0
    for place, value in enumerate(flat):
        if value or run == longest:
            found.append(place // plane.shape[1])
            run = 0
        else:
            run += 1
    return found


@dataclass
class Trace:
    """What the machine did: psums, steps (cycles, loads, stores) and counts."""

    psums: np.ndarray
    lengths: list = field(default_factory=list)
    loads: list = field(default_factory=list)
    stores: list = field(default_factory=list)
    causes: Counter = field(default_factory=Counter)
    traffic: Counter = field(default_factory=Counter)
    events: Counter = field(default_factory=Counter)
    multiplies: int = 0
    effectual: int = 0


class Slow:
    """One layer on one machine with a given mapping."""

    def __init__(self, tensors, spec, choice):
        self.tensors, self.spec, self.choice = tensors, spec, choice
        self.layer = tensors.layer
        layer = self.layer
        shape = (tensors.images, layer.K, layer.P, layer.Q)
        self.trace = Trace(np.zeros(shape, object))
        self.held = None  # the inputs that lie in the GLB
        self.weights_there = set()
        self.coded_in = self.coded_out = None
        if spec.compression != "off":
            longest = 2**spec.run_bits - 1
            if spec.compression == "all" or not self.image():
                self.coded_in = self.coded(tensors.activations, longest)
            self.coded_out = self.coded(self.outputs(), longest)

    def image(self):
        """Whether the input is the network's own."""
        tensors = self.tensors
        if tensors.producers or tensors.origin == "file":
            return False
        return tensors.origin == "captured" or not (tensors.activations == 0).any()

    def outputs(self):
        """What the layer stores; without a known rule ReLU and a shift to eight bits."""
        from workloads.convolve import convolve

        psums = convolve(self.tensors).astype(np.int32)
        if self.tensors.requantizer is not None:
            return self.tensors.requantizer.apply(psums)
        positive = [max(int(psum), 0) for psum in psums.ravel()]
        shift = 0
        while max(positive) >> shift > 255:
            shift += 1
        return np.array([psum >> shift for psum in positive]).reshape(psums.shape)

    def coded(self, values, longest):
        images, channels = values.shape[:2]
        return {
            (n, c): pairs_by_row(values[n, c], longest)
            for n in range(images)
            for c in range(channels)
        }

    def run(self):
        """All steps, in their order."""
        layer, choice = self.layer, self.choice
        C, K = layer.channels_per_group, layer.K // layer.groups
        for g in range(layer.groups):
            self.held, self.weights_there = None, set()
            one_pass = choice.q * choice.r >= C and choice.p * choice.t >= K
            for images in pieces(self.tensors.images, choice.n):
                for rows in pieces(layer.P, choice.e):
                    for filters in pieces(K, choice.m):
                        for channels in pieces(C, choice.q * choice.r):
                            self.step(g, images, rows, filters, channels, one_pass)
        self.drain()
        return self.trace

    def step(self, g, images, rows, filters, channels, one_pass):
        """One step: its DRAM runs, then a pass for each p x t filters."""
        layer, spec, trace = self.layer, self.spec, self.trace
        C, K = layer.channels_per_group, layer.K // layer.groups
        first_row, last_row = self.dram_rows(rows)
        wanted = (g, images, rows, channels)
        loads = Counter()
        if wanted != self.held:
            for n in images:
                for c in channels:
                    loads["input"] += self.read(n, g * C + c, first_row, last_row)
                    for _ in range(first_row, last_row):
                        size = layer.W * spec.operand_bytes
                        trace.traffic["glb", "input", "write"] += size
                        trace.events["glb", "write", "input"] += up(size, spec.port_bytes)
            self.held = wanted
        stores = Counter()
        if channels[-1] == C - 1:
            for n in images:
                for k in filters:
                    stores["output"] += self.written(n, g * K + k, rows)
                    for _ in rows:
                        size = layer.Q * spec.psum_bytes
                        trace.traffic["glb", "output", "read"] += size
                        trace.events["glb", "read", "output"] += up(size, spec.port_bytes)
        cycles = 0
        for low in range(filters[0], filters[-1] + 1, self.choice.p * self.choice.t):
            some = range(low, min(low + self.choice.p * self.choice.t, filters[-1] + 1))
            fresh = not (one_pass and (g, some, channels) in self.weights_there)
            self.weights_there.add((g, some, channels))
            if fresh:
                loads["weight"] += len(some) * len(channels) * layer.R * layer.S
            cycles += self.pass_(g, images, rows, some, channels, fresh)
        loads["weight"] *= spec.operand_bytes
        trace.lengths.append(cycles)
        trace.loads.append(loads)
        trace.stores.append(stores)

    def dram_rows(self, rows):
        """First and last + 1 input row in DRAM between the outermost taps."""
        layer = self.layer
        low = rows[0] * layer.strides[0] - layer.padding[0]
        high = rows[-1] * layer.strides[0] - layer.padding[0]
        high += layer.dilations[0] * (layer.R - 1) + 1
        low, high = max(low, 0), min(high, layer.H)
        return low, max(low, high)

    def read(self, n, c, low, high):
        """Bytes of the words with pairs that end in these rows."""
        if self.coded_in is None:
            return (high - low) * self.layer.W * self.spec.operand_bytes
        stream = self.coded_in[n, c]
        words = {
            at // self.spec.pairs_per_word for at, row in enumerate(stream) if low <= row < high
        }
        return 8 * len(words)

    def written(self, n, k, rows):
        """Bytes of the words that are full after these rows and were not before."""
        if self.coded_out is None:
            return len(rows) * self.layer.Q * self.spec.operand_bytes
        stream, per = self.coded_out[n, k], self.spec.pairs_per_word
        before = sum(row < rows[0] for row in stream) // per
        ended = sum(row <= rows[-1] for row in stream)
        after = ended // per if rows[-1] < self.layer.P - 1 else up(ended, per)
        return 8 * (after - before)

    def pass_(self, g, images, rows, filters, channels, fresh):
        """One pass on the array; returns its cycles."""
        layer, spec, choice, trace = self.layer, self.spec, self.choice, self.trace
        more = channels[0] > 0
        (down, across), (skip, over) = layer.strides, layer.dilations
        below = {p * down + r * skip for p in rows for r in range(layer.R)}
        beside = {q * across + s * over for q in range(layer.Q) for s in range(layer.S)}
        chain = layer.R * min(choice.r, len(channels))
        sets = min(choice.t, len(filters))
        used = chain * len(rows) * sets
        window = up(len(filters), choice.t) * up(len(channels), choice.r) * layer.S
        windows = layer.Q * len(images)
        weights = len(filters) * len(channels) * layer.R * layer.S if fresh else 0
        early = len(channels) * len(below) * layer.S
        inputs = len(channels) * len(below) * len(beside) * len(images)
        psums = len(filters) * len(rows)
        fill = max(
            window,
            up(weights, spec.filter_bus_words),
            up(early, spec.ifmap_bus_words),
            up(psums if more else 0, spec.psum_bus_words),
        )
        stream = max(
            window * (windows - 1),
            up(inputs - early, spec.ifmap_bus_words),
            up(psums * (windows - 1), spec.psum_bus_words),
        )
        cycles = fill + stream
        macs = self.multiply(g, images, rows, filters, channels)
        trace.causes["fill"] += used * (fill - window)
        trace.causes["bus"] += used * (stream - window * (windows - 1))
        trace.causes["fragmentation"] += used * window * windows - macs
        trace.causes["idle_mapping"] += (spec.units - used) * cycles
        self.book(psums * windows, weights, inputs, chain, more)
        events, word, port = trace.events, spec.operand_bytes, spec.port_bytes
        for _ in range(len(channels) * len(below) * len(images)):
            events["glb", "read", "input"] += up(len(beside) * word, port)
        for _ in range(psums * len(images)):
            words = up(layer.Q * spec.psum_bytes, port)
            events["glb", "write", "psum"] += words
            events["glb", "read", "psum"] += words * more
        for way in ("write", "read"):
            events["filter_glb", way, "weight"] += up(weights * word, port)
        line = layer.R * len(rows) * len(beside) * len(images) * sets
        events["ifmap_spad", "write", "input"] += len(channels) * line
        events["filter_spad", "write", "weight"] += weights * len(rows)
        return cycles

    def book(self, psums, weights, inputs, chain, more):
        """Words between the levels; each psum travels up its chain of PEs."""
        spec, trace = self.spec, self.trace
        word, size = spec.operand_bytes, spec.psum_bytes
        trace.traffic["glb", "weight", "write"] += weights * word
        trace.traffic["glb", "weight", "read"] += weights * word
        trace.traffic["glb", "input", "read"] += inputs * word
        trace.traffic["glb", "psum", "write"] += psums * size
        trace.traffic["glb", "psum", "read"] += psums * size * more
        trace.traffic["array", "psum", "read"] += psums * (chain - 1) * size
        trace.events["psum_spad", "read", "psum"] += psums * chain
        trace.events["pe", "add", "psum"] += psums * (chain - 1) + psums * more

    def multiply(self, g, images, rows, filters, channels):
        """Every multiply-accumulate of a pass."""
        layer, trace, done = self.layer, self.trace, 0
        C, K = layer.channels_per_group, layer.K // layer.groups
        for n in images:
            for k in (g * K + k for k in filters):
                for p in rows:
                    for q in range(layer.Q):
                        for c in channels:
                            for r in range(layer.R):
                                for s in range(layer.S):
                                    x = self.value(n, g * C + c, p, q, r, s)
                                    w = int(self.tensors.weights[k, c, r, s])
                                    trace.psums[n, k, p, q] += x * w
                                    self.account(x, w)
                                    done += 1
        return done

    def value(self, n, c, p, q, r, s):
        layer = self.layer
        y = p * layer.strides[0] + r * layer.dilations[0] - layer.padding[0]
        x = q * layer.strides[1] + s * layer.dilations[1] - layer.padding[2]
        inside = 0 <= y < layer.H and 0 <= x < layer.W
        return int(self.tensors.activations[n, c, y, x]) if inside else 0

    def account(self, x, w):
        events = self.trace.events
        for key in (
            ("ifmap_spad", "read", "input"),
            ("psum_spad", "read", "psum"),
            ("psum_spad", "write", "psum"),
        ):
            events[key] += 1
        if x == 0:
            self.trace.causes["gated"] += 1
            return
        self.trace.causes["mac"] += 1
        self.trace.multiplies += 1
        self.trace.effectual += w != 0
        events["filter_spad", "read", "weight"] += 1
        events["pe", "multiply", "psum"] += 1
        events["pe", "add", "psum"] += 1

    def drain(self):
        """The psums of the very last window leave the array."""
        layer, choice = self.layer, self.choice
        filters = pieces(layer.K // layer.groups, choice.m)[-1]
        last = len(filters) % (choice.p * choice.t) or min(len(filters), choice.p * choice.t)
        rows = pieces(layer.P, choice.e)[-1]
        cycles = up(last * len(rows), self.spec.psum_bus_words)
        self.trace.lengths[-1] += cycles
        self.trace.causes["drain"] += self.spec.units * cycles


def run_layer(tensors, spec, choices):
    """All images with one mapping, or each with its own, one after the other."""
    if len(choices) == 1:
        return Slow(tensors, spec, choices[0]).run()
    whole = Slow(tensors, spec, choices[0])
    total = Trace(whole.trace.psums[:0])
    for n, choice in enumerate(choices):
        one = replace(tensors, activations=tensors.activations[n : n + 1].copy(), shortcut=None)
        slow = Slow(one, spec, choice)
        if whole.coded_in is not None:  # one kind of storage for the whole batch
            slow.coded_in = {(0, c): whole.coded_in[m, c] for m, c in whole.coded_in if m == n}
        else:
            slow.coded_in = None
        if whole.coded_out is not None:  # the shift is that of the whole batch
            slow.coded_out = {(0, k): whole.coded_out[m, k] for m, k in whole.coded_out if m == n}
        trace = slow.run()
        total.psums = np.concatenate([total.psums, trace.psums])
        for name in ("lengths", "loads", "stores"):
            getattr(total, name).extend(getattr(trace, name))
        for name in ("causes", "traffic", "events"):
            getattr(total, name).update(getattr(trace, name))
        total.multiplies += trace.multiplies
        total.effectual += trace.effectual
    return total
