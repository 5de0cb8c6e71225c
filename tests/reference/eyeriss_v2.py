"""The slow Eyeriss v2: PEs that slide real windows over real weights, plain loops, no closed form.

The mapping is given; what it means is written down here again.  Every PE looks at every position
of its rows, one window after the other, and multiplies what its columns of weights hold.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np


def chunks(things, size):
    """A list cut into lists of at most ``size``."""
    things = list(things)
    return [things[at : at + size] for at in range(0, len(things), size)]


def up(bits, unit=8):
    """Bits in whole units."""
    return -(-bits // unit)


def encode(values, longest):
    """Compressed column: (zeros before, value) with placeholders for runs that are too long."""
    found, run = [], 0
    for value in values:
        if value == 0:
            run += 1
            continue
        while run > longest:
            found.append((longest, 0))
            run -= longest + 1
        found.append((run, int(value)))
        run = 0
    return found


@dataclass
class Trace:
    """What the machine did, pass by pass and in all."""

    psums: np.ndarray
    longest: list = field(default_factory=list)
    lengths: list = field(default_factory=list)
    input: list = field(default_factory=list)
    weight: list = field(default_factory=list)
    output: list = field(default_factory=list)
    sent: list = field(default_factory=list)
    used: list = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)


class Slow:
    """One layer with its mapping on one machine."""

    def __init__(self, layer, activations, weights, output, mapping, spec):
        self.layer, self.x, self.w, self.out = layer, activations, weights, output
        self.map, self.spec = mapping, spec
        self.images = activations.shape[0]
        self.dense = spec.processing == "dense"
        self.skip = not self.dense and layer.C // layer.groups > 1
        self.channels, self.filters = layer.C // layer.groups, layer.K // layer.groups
        self.m_pieces = chunks(range(self.filters), mapping.M0)
        self.c_pieces = chunks(range(self.channels), mapping.C0)
        self.s_pieces = chunks(range(layer.S), mapping.S0)
        self.items = [
            (c, r, s)
            for c in range(len(self.c_pieces))
            for r in range(layer.R)
            for s in range(len(self.s_pieces))
        ]
        columns = -(-layer.Q // mapping.f1)
        self.q_pieces = chunks(range(layer.Q), columns)
        self.value_bits = 8 if self.dense else 8 + spec.count_bits
        self.read_columns = {
            w
            for q in range(layer.Q)
            for s in range(layer.S)
            if 0 <= (w := self.column(q, s)) < layer.W
        }

    def column(self, q, s):
        return q * self.layer.strides[1] + s * self.layer.dilations[1] - self.layer.padding[2]

    def row(self, p, r):
        return p * self.layer.strides[0] + r * self.layer.dilations[0] - self.layer.padding[0]

    def stored(self, n, c, h, w):
        """Whether this iact of the plane is stored (and so moved)."""
        return not self.skip or self.x[n, c, h, w] != 0

    def tiles(self):
        """Output rows (n, p) of each tile."""
        P = self.layer.P
        rows = [[(n, p) for p in range(P)] for n in range(self.images)]
        if self.map.tile_rows >= P:
            flat = [row for image in rows for row in image]
            return chunks(flat, self.map.tile_rows)
        return [part for image in rows for part in chunks(image, self.map.tile_rows)]

    def pe_weights(self, g, m, item):
        """The columns of one PE: (c, s) -> the stored (filter, value) in order."""
        cp, r, sp = item
        found = {}
        for c in self.c_pieces[cp]:
            for s in self.s_pieces[sp]:
                filters = [g * self.filters + k for k in self.m_pieces[m]]
                values = [int(self.w[k, c, r, s]) for k in filters]
                if self.dense:
                    found[c, s] = list(zip(filters, values, strict=True))
                    continue
                at, entries = 0, []
                for run, value in encode(values, (1 << self.spec.count_bits) - 1):
                    at += run
                    entries.append((filters[at], value))
                    assert values[at] == value
                    at += 1
                found[c, s] = entries
        return found

    def words(self, columns):
        return sum(up(len(entries), self.spec.macs_per_pe) for entries in columns.values())

    def weight_bits(self, columns):
        if self.dense:
            return 8 * sum(len(entries) for entries in columns.values())
        word = self.spec.macs_per_pe * self.value_bits
        return self.words(columns) * word + 7 * len(columns)

    def row_bits(self, n, h, g, cp):
        """An input row of one piece of channels in memory."""
        channels = [g * self.channels + c for c in self.c_pieces[cp]]
        W = self.layer.W
        values = sum(self.stored(n, c, h, w) for c in channels for w in range(W))
        width = min(self.layer.strides[1], self.map.S0)
        return values * self.value_bits + (0 if self.dense else 4 * up(W, width))

    def input_bits(self, tile, groups, cps):
        rows = {
            (n, self.row(p, r))
            for n, p in tile
            for r in range(self.layer.R)
            if 0 <= self.row(p, r) < self.layer.H
        }
        return sum(self.row_bits(n, h, g, cp) for n, h in rows for g in groups for cp in cps)

    def output_bits(self, tile, groups, ms):
        """What a tile's finished output channels take."""
        total = 0
        for n, p in tile:
            for g in groups:
                ks = [g * self.filters + k for m in ms for k in self.m_pieces[m]]
                values = [self.out[n, k, p, q] for k in ks for q in range(self.layer.Q)]
                if self.dense:
                    total += 8 * len(values)
                    continue
                total += self.value_bits * sum(value != 0 for value in values)
                width = min(self.layer.strides[1], self.map.S0)
                total += 4 * up(self.layer.Q, width) * up(len(ks), self.map.C0)
        return total

    def slide(self, trace, rows, qs, g, m, item, columns):
        """One PE through one pass: its rows one after the other; returns its slots."""
        cp, r, sp = item
        slots, counts = 0, trace.counts
        filters = [g * self.filters + k for k in self.m_pieces[m]]
        for n, p in rows:
            h = self.row(p, r)
            inside_row = 0 <= h < self.layer.H
            fetched = set()
            for q in qs:
                counts["windows"] += 1
                counts["sums"] += len(filters)
                for c in self.c_pieces[cp]:
                    for s in self.s_pieces[sp]:
                        channel, w = g * self.channels + c, self.column(q, s)
                        inside = inside_row and 0 <= w < self.layer.W
                        value = int(self.x[n, channel, h, w]) if inside else 0
                        if inside and self.stored(n, channel, h, w):
                            fetched.add((channel, w))
                        if self.skip and value == 0:
                            continue
                        counts["visits"] += 1
                        for pair in chunks(columns[c, s], self.spec.macs_per_pe):
                            slots += 1
                            for k, weight in pair:
                                counts["pairs"] += 1
                                counts["effectual"] += value != 0 and weight != 0
                                trace.psums[n, k, p, q] += value * weight
            counts["received"] += len(fetched)
        return slots

    def sent(self, tile, groups, items):
        """Iacts that leave the GLB: once for every e1 output rows that are worked on together."""
        total = 0
        for rows in chunks(tile, self.map.e1):
            wanted = set()
            for n, p in rows:
                for cp, r, _ in items:
                    h = self.row(p, r)
                    if 0 <= h < self.layer.H:
                        for g in groups:
                            for c in self.c_pieces[cp]:
                                wanted.add((n, g * self.channels + c, h))
            total += sum(self.stored(n, c, h, w) for n, c, h in wanted for w in self.read_columns)
        return total

    def run(self):
        """All passes in order."""
        layer, mapping, spec = self.layer, self.map, self.spec
        trace = Trace(np.zeros((self.images, layer.K, layer.P, layer.Q), np.int64))
        turns = [
            (g, m, i)
            for g in chunks(range(layer.groups), mapping.g1)
            for m in chunks(range(len(self.m_pieces)), mapping.m1)
            for i in chunks(range(len(self.items)), mapping.D)
        ]
        for number, tile in enumerate(self.tiles()):
            present = set()
            for groups, ms, items in turns:
                chosen = [self.items[i] for i in items]
                held = {
                    (g, m, i): self.pe_weights(g, m, i) for g in groups for m in ms for i in chosen
                }
                loading = number == 0 or len(turns) > 1
                self.one_pass(trace, tile, groups, ms, chosen, held, loading)
                cps = {item[0] for item in chosen}
                if mapping.held:
                    cps -= {cp for g, cp in present if g == groups[0]}
                    # A piece comes with its first item, and so do the pieces of all groups.
                    present |= {(groups[0], cp) for cp in cps}
                trace.input.append(up(self.input_bits(tile, groups, cps)))
                last = items[-1] == len(self.items) - 1
                trace.output.append(up(self.output_bits(tile, groups, ms)) if last else 0)
                trace.counts["psum words"] += sum(
                    layer.Q * len(self.m_pieces[m]) for _ in tile for _ in groups for m in ms
                )
        assert spec.pes >= max(trace.used)
        return trace

    def one_pass(self, trace, tile, groups, ms, items, held, loading):
        """Load the weights, then let every PE work; the slowest one ends the pass."""
        spec, counts = self.spec, trace.counts
        slots = []
        for e in range(min(self.map.e1, len(tile))):
            for qs in self.q_pieces:
                for (g, m, item), columns in held.items():
                    rows = tile[e :: self.map.e1]
                    slots.append(self.slide(trace, rows, qs, g, m, item, columns))
                    if loading:
                        counts["weight words"] += self.words(columns)
                        counts["weight columns"] += len(columns)
        words = [self.words(columns) for columns in held.values()]
        assert max(words) <= spec.usable_weight_words
        assert max(len(columns) for columns in held.values()) <= spec.weight_spad_columns
        bits = sum(self.weight_bits(columns) for columns in held.values())
        load = max(max(words), up(sum(words), spec.weight_routers)) if loading else 0
        trace.weight.append(up(bits) if loading else 0)
        longest = max(slots)
        busy = load + longest if spec.weight_loading == "exposed" else max(load, longest)
        trace.longest.append(longest)
        trace.lengths.append(busy + spec.pipeline_stages)
        trace.used.append(len(slots))
        trace.sent.append(self.sent(tile, groups, items))
        counts["slots"] += sum(slots)
        counts["imbalance"] += sum(longest - each for each in slots) * spec.macs_per_pe
        counts["idle_mapping"] += (spec.pes - len(slots)) * longest * spec.macs_per_pe
        counts["weight_load"] += (busy - longest) * spec.lanes
        counts["fill"] += spec.pipeline_stages * spec.lanes


def run_layer(layer, activations, weights, output, mapping, spec):
    """One layer; ``output`` are the values it stores."""
    return Slow(layer, activations, weights, output, mapping, spec).run()


def traffic(trace, outputs, turns, spec):
    """Bytes by (level, tensor, direction) on chip."""
    bits = 8 if spec.processing == "dense" else 8 + spec.count_bits
    counts = trace.counts
    assert counts["psum words"] == outputs * turns
    return {
        ("glb", "input", "write"): sum(trace.input),
        ("glb", "input", "read"): up(sum(trace.sent) * bits),
        ("glb", "psum", "write"): up(counts["psum words"] * spec.psum_bits),
        ("glb", "psum", "read"): up(counts["psum words"] * spec.psum_bits),
        ("pe", "input", "write"): up(counts["received"] * bits),
        ("pe", "weight", "write"): up(counts["weight words"] * spec.macs_per_pe * bits),
    }


def events(trace, outputs, spec):
    """Actions by (component, action, tensor)."""
    sparse = spec.processing != "dense"
    bits = 8 + spec.count_bits if sparse else 8
    counts = trace.counts
    psums = up(up(counts["psum words"] * spec.psum_bits), spec.psum_port_bytes)
    return {
        ("iact_glb", "write", "input"): sum(up(size, spec.iact_port_bytes) for size in trace.input),
        ("iact_glb", "read", "input"): sum(
            up(up(words * bits), spec.iact_port_bytes) for words in trace.sent
        ),
        ("psum_glb", "write", "psum"): psums,
        ("psum_glb", "read", "psum"): psums,
        ("iact_address_spad", "write", "input"): counts["windows"] * sparse,
        ("iact_address_spad", "read", "input"): counts["windows"] * sparse,
        ("iact_spad", "write", "input"): counts["received"],
        ("iact_spad", "read", "input"): counts["visits"],
        ("weight_address_spad", "write", "weight"): counts["weight columns"] * sparse,
        ("weight_address_spad", "read", "weight"): counts["visits"] * sparse,
        ("weight_spad", "write", "weight"): counts["weight words"],
        ("weight_spad", "read", "weight"): counts["slots"],
        ("psum_spad", "write", "psum"): counts["pairs"],
        ("psum_spad", "read", "psum"): counts["pairs"] + counts["sums"],
        ("pe", "multiply", "psum"): counts["pairs"],
        ("pe", "add", "psum"): counts["pairs"] + counts["sums"] - outputs,
    }
