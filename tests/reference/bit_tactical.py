"""The slow Bit-Tactical: plain loops that move weights and activations and multiply them.

Written from the description of the back ends and the spread over tiles; nothing here uses masks,
codes or closed forms.  A slot holds (weight, channel, row tap, column tap) or None.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from tests.reference.bit_tactical_front_end import (
    bits_needed,
    block_channels,
    ceil_log2,
    filter_sets,
    front_end,
    grid,
    search_places,
    terms,
    up,
)
from tests.reference.bit_tactical_plans import Planned


@dataclass
class Trace:
    """What the machine did."""

    psums: np.ndarray
    lengths: list = field(default_factory=list)
    loads: dict = field(default_factory=lambda: {"input": [], "weight": []})
    stores: dict = field(default_factory=lambda: {"output": []})
    causes: Counter = field(default_factory=Counter)
    traffic: Counter = field(default_factory=Counter)
    events: Counter = field(default_factory=Counter)
    multiplies: int = 0
    effectual: int = 0


def lane_cost(value, spec):
    """Cycles that one activation occupies its lane by itself; None: as long as its window."""
    if spec.back_end == "bits":
        return terms(value, spec.terms)
    return 1 if spec.back_end == "bit_parallel" else None


def window_cost(values, spec):
    """Cycles of one step for the activations of one window."""
    if spec.back_end == "bit_parallel":
        return 1
    if spec.back_end == "precision":
        return bits_needed(values or [0], trailing=True)
    return max([terms(value, spec.terms) for value in values] + [1])


def stored_bits(pixel, group, spec):
    """Bits in DRAM of one pixel's channels."""
    if spec.back_end == "bit_parallel":
        return len(pixel) * spec.operand_bits
    total = 0
    for low in range(0, len(pixel), group):
        part = pixel[low : low + group]
        total += ceil_log2(spec.operand_bits) + len(part) * bits_needed(part, trailing=False)
    return total


class Reference(Planned):
    """One layer on one machine, loop by loop."""

    def __init__(self, tensors, spec, outputs=None):
        self.layer, self.spec, self.outputs = tensors.layer, spec, outputs
        self.acts = tensors.activations.astype(np.int64)
        self.weights = tensors.dense_weights()
        self.images = tensors.images
        layer = self.layer
        self.windows = [
            (n, p, q) for n in range(self.images) for p in range(layer.P) for q in range(layer.Q)
        ]
        self.trace = Trace(np.zeros((self.images, layer.K, layer.P, layer.Q), np.int64))
        self.tile_cycles = []
        self.spread()

    def act(self, window, slot):
        """The activation that travels with a weight."""
        n, p, q = window
        _, c, r, s = slot
        y = p * self.layer.strides[0] - self.layer.padding[0] + r * self.layer.dilations[0]
        x = q * self.layer.strides[1] - self.layer.padding[2] + s * self.layer.dilations[1]
        inside = 0 <= y < self.layer.H and 0 <= x < self.layer.W
        return int(self.acts[n, c, y, x]) if inside else 0

    def spread(self):
        """Sets, schedules, passes, pieces and blocks."""
        layer, spec = self.layer, self.spec
        self.slot_bits = spec.operand_bits + ceil_log2(1 + spec.lookahead + spec.lookaside)
        self.advance_bits = ceil_log2(1 + spec.lookahead)
        self.sets, self.together = filter_sets(layer, spec.lanes, spec.filters)
        places = search_places(spec.lookahead, spec.lookaside, spec.search)
        self.left, self.rows = [], []
        for block, members in self.sets:
            channels = block_channels(layer, block, self.together)
            width = self.together * (layer.C // layer.groups)
            steps = grid(
                layer, self.weights, members, channels, width, spec.lanes, spec.lookahead == 0
            )
            chunks = up(width, spec.lanes)
            read = []
            for t, step in enumerate(steps):
                if any(slot is not None for row in step for slot in row):
                    low = t % chunks * spec.lanes
                    read.append(min(spec.lanes, len(channels) - low))
            self.rows.append(read)
            self.left.append(front_end(steps, spec.lookahead, places, spec.lanes))
        self.in_pass = min(spec.tiles, len(self.sets))
        self.copies = spec.tiles // self.in_pass
        self.row = up(spec.filters * spec.lanes * self.slot_bits + self.advance_bits, 8)
        self.most = max(1, max(len(left) for left in self.left))
        self.passes = [
            list(range(low, min(low + self.in_pass, len(self.sets))))
            for low in range(0, len(self.sets), self.in_pass)
        ]

    def pass_channels(self, members):
        """Channels that a pass reads."""
        channels = set()
        for s in members:
            channels.update(block_channels(self.layer, self.sets[s][0], self.together))
        return sorted(channels)

    def lines(self, block):
        """Input lines (image, row) from the first to the last under a block of windows."""
        layer, found = self.layer, []
        for at in block:
            n, p, _ = self.windows[at]
            for r in range(layer.R):
                y = p * layer.strides[0] - layer.padding[0] + r * layer.dilations[0]
                found.append(n * layer.H + min(max(y, 0), layer.H - 1))
        return list(range(min(found), max(found) + 1))

    def at_once(self):
        """Windows in flight in a tile."""
        return 1 if self.spec.back_end == "bit_parallel" else self.spec.columns

    def run(self):
        """All plans one after the other."""
        for number, plan in enumerate(self.chosen()):
            if number:  # all of the image before leaves first
                self.trace.lengths += [0, 0]
                for sizes in (*self.trace.loads.values(), *self.trace.stores.values()):
                    sizes += [0, 0]
            self.execute_plan(plan)
        return self.trace

    def execute_plan(self, plan):
        """All passes, blocks and pieces in order."""
        self.piece, self.pieces, self.blocks, stays = plan
        before = None
        for members in self.passes:
            channels = self.pass_channels(members)
            held = set()
            for at, block in enumerate(self.blocks):
                for piece in range(self.pieces):
                    self.load_input(block, channels, held, piece, stays and before == channels)
                    self.load_weights(members, at, piece)
                    self.compute(members, block, piece)
                    self.store(members, block, piece)
            before = channels

    # --- data movement

    def load_input(self, block, channels, held, piece, there):
        """Lines that the block before did not hold."""
        size = 0
        if piece == 0 and not there:
            lines = self.lines(block)
            fresh = [line for line in lines if line not in held]
            size += sum(self.line_bytes(line, channels) for line in fresh)
            words = len(fresh) * self.layer.W * len(channels)
            self.trace.traffic["glb", "input", "write"] += words * self.spec.operand_bits // 8
            held.clear()
            held.update(lines)
        self.trace.loads["input"].append(size)

    def line_bytes(self, line, channels):
        """One input line in DRAM."""
        n, y = divmod(line, self.layer.H)
        pixels = ([int(self.acts[n, c, y, x]) for c in channels] for x in range(self.layer.W))
        return up(sum(stored_bits(p, self.spec.lanes, self.spec) for p in pixels), 8)

    def weight_bits(self, s, steps):
        """Steps of a schedule in DRAM."""
        bits, spec, filters = 0, self.spec, len(self.sets[s][1])
        for _, rows, _ in steps:
            bits += sum(slot is not None for row in rows for slot in row) * self.slot_bits
            if spec.lookahead:
                bits += filters * spec.lanes + self.advance_bits
        return bits

    def output_bits(self, members, block):
        """Outputs of some sets and windows in DRAM."""
        bits = 0
        for s in members:
            filters = self.sets[s][1]
            for at in block:
                n, p, q = self.windows[at]
                if self.outputs is None:
                    bits += len(filters) * self.spec.operand_bits
                else:
                    pixel = [int(self.outputs[n, k, p, q]) for k in filters]
                    bits += stored_bits(pixel, len(pixel), self.spec)
        return bits

    def kept(self, s, piece):
        """The steps of a set in one piece of its schedule."""
        return self.left[s][piece * self.piece : (piece + 1) * self.piece]

    def load_weights(self, members, at, piece):
        """Schedules into the weight memories of all tiles."""
        size, spec = 0, self.spec
        if at == 0 or self.pieces > 1:
            for s in members:
                filters = len(self.sets[s][1])
                wide = up(filters * spec.lanes * self.slot_bits + self.advance_bits, 8)
                for _ in self.kept(s, piece):
                    self.trace.traffic["glb", "weight", "write"] += wide * self.copies
                    key = ("weight_memory", "write", "weight")
                    self.trace.events[key] += up(wide, spec.port_bytes) * self.copies
                size += up(self.weight_bits(s, self.kept(s, piece)), 8)
        self.trace.loads["weight"].append(size)

    def store(self, members, block, piece):
        """Outputs leave after the last piece."""
        bits = 0
        if piece == self.pieces - 1:
            bits = self.output_bits(members, block)
            filters = sum(len(self.sets[s][1]) for s in members)
            words = len(block) * filters * (self.spec.operand_bits // 8)
            self.trace.traffic["glb", "output", "write"] += words
            self.trace.traffic["glb", "output", "read"] += words
        self.trace.stores["output"].append(up(bits, 8))

    # --- tiles

    def compute(self, members, block, piece):
        """Every tile its share of the pallets; the slowest ends the step."""
        shared = self.spec.back_end != "bit_parallel" and self.layer.is_linear
        size = 1 if shared else self.at_once()
        pallets = [block[low : low + size] for low in range(0, len(block), size)]
        cycles = []
        for s in members:
            self.psum_traffic(s, block, piece)
            for share in range(self.copies):
                cycles.append(0)
                for pallet in pallets[share :: self.copies]:
                    windows = [self.windows[at] for at in pallet]
                    run = self.multiplexed if shared else self.pallet
                    cycles[-1] += run(s, windows, self.kept(s, piece))
        cycles += [0] * (self.spec.tiles - len(cycles))
        tile = self.spec.filters * self.spec.lanes * self.at_once()
        for spent in cycles:
            self.trace.causes["tile_imbalance"] += tile * (max(cycles) - spent)
        self.trace.lengths.append(max(cycles))

    def psum_traffic(self, s, block, piece):
        """Psums wait in the output memory between the pieces of a schedule."""
        words = len(block) * len(self.sets[s][1]) * up(self.spec.psum_bits, 8)
        if piece > 0 and self.kept(s, piece):
            self.trace.traffic["glb", "psum", "read"] += words
            self.trace.traffic["glb", "psum", "write"] += words
        if piece == 0:
            words = sum(self.rows[s]) * len(block)
            accesses = sum(
                up(row * self.spec.operand_bits // 8, self.spec.port_bytes) for row in self.rows[s]
            )
            size = self.spec.operand_bits // 8
            self.trace.traffic["glb", "input", "read"] += words * size
            self.trace.events["activation_memory", "read", "input"] += accesses * len(block)
            self.trace.events["activation_register", "write", "input"] += words

    def read_weights(self, s, rows):
        """One step of a schedule into the registers of a tile."""
        filters, spec = len(self.sets[s][1]), self.spec
        wide = up(filters * spec.lanes * self.slot_bits + self.advance_bits, 8)
        self.trace.traffic["glb", "weight", "read"] += wide
        self.trace.events["weight_memory", "read", "weight"] += up(wide, spec.port_bytes)
        taken = sum(slot is not None for row in rows for slot in row)
        self.trace.events["weight_register", "write", "weight"] += taken

    def execute(self, s, window, rows, held):
        """Multiply every slot of a step at one window; its lanes are held for ``held`` cycles.

        Returns the cycles that the window itself needs.
        """
        n, p, q = window
        spec, trace = self.spec, self.trace
        values = [self.act(window, slot) for row in rows for slot in row if slot is not None]
        cost = window_cost(values, spec)
        held = cost if held is None else held
        for k, row in zip(self.sets[s][1], rows, strict=True):
            trace.events["accumulator", "add", "psum"] += cost
            for slot in row:
                if slot is None:
                    trace.causes["empty_slots"] += held
                    continue
                value = self.act(window, slot)
                trace.psums[n, k, p, q] += slot[0] * value
                trace.multiplies += 1
                trace.effectual += slot[0] != 0 and value != 0
                own = lane_cost(value, spec)
                own = cost if own is None else own
                trace.causes["multiply"] += own
                trace.causes["slower_lanes"] += held - own
        idle = (spec.filters - len(rows)) * spec.lanes
        trace.causes["idle_lanes"] += idle * held
        return cost

    def pallet(self, s, windows, steps):
        """All columns wait for the slowest at every step."""
        total = 0
        for _, rows, _ in steps:
            self.read_weights(s, rows)
            costs = []
            for window in windows:
                values = [self.act(window, x) for row in rows for x in row if x is not None]
                costs.append(window_cost(values, self.spec))
            for window in windows:
                self.execute(s, window, rows, max(costs))
            empty = self.at_once() - len(windows)
            lanes = self.spec.filters * self.spec.lanes
            self.trace.causes["idle_lanes"] += empty * lanes * max(costs)
            total += max(costs)
        return total

    def multiplexed(self, s, windows, steps):
        """Cycle by cycle: a step begins when its column is free, one step a cycle at most."""
        (window,) = windows
        waiting = list(steps)
        busy = [0] * self.spec.columns  # cycles that each column still works
        lanes = self.spec.filters * self.spec.lanes
        column, cycle = 0, 0
        while waiting or any(busy):
            if waiting and busy[column] == 0:
                _, rows, _ = waiting.pop(0)
                self.read_weights(s, rows)
                busy[column] = self.execute(s, window, rows, None)
                column = (column + 1) % self.spec.columns
            self.trace.causes["idle_lanes"] += lanes * sum(left == 0 for left in busy)
            busy = [max(left - 1, 0) for left in busy]
            cycle += 1
        return cycle


def run_layer(tensors, spec, outputs=None):
    """Run one layer; the rest of the events follow from what was counted."""
    reference = Reference(tensors, spec, outputs)
    trace = reference.run()
    moved, events, port = trace.traffic, trace.events, spec.port_bytes
    events["activation_memory", "write", "input"] = up(moved["glb", "input", "write"], port)
    for tensor in ("psum", "output"):
        for way in ("read", "write"):
            events["output_memory", way, tensor] = up(moved["glb", tensor, way], port)
    for kind, tensor in (("activation", "input"), ("weight", "weight")):
        events[f"{kind}_register", "read", tensor] = trace.multiplies
    events["selector", "select", "input"] = trace.multiplies if spec.lookahead else 0
    events["lane", "multiply", "psum"] = events["lane", "add", "psum"] = trace.causes["multiply"]
    for way in ("read", "write"):
        events["psum_register", way, "psum"] = events["accumulator", "add", "psum"]
    return trace
