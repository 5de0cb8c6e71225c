"""The slow SparTen: units that match position after position, clusters that count their cycles.

Written from the description of the machine, with dictionaries, sets and real integers; every
product is formed where a unit finds a match.  Nothing here is shared with the fast model but the
fields of the spec.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Filters:
    """A filter group: its filters densest first, the run of chunks of one pass, and its sizes."""

    group: int
    filters: list
    chunks: range
    all_chunks: int
    number: int = 0
    passes: int = 1


@dataclass
class Trace:
    """What the machine did: per step and in all."""

    psums: np.ndarray
    lengths: list = field(default_factory=list)
    input_loads: list = field(default_factory=list)
    weight_loads: list = field(default_factory=list)
    output_stores: list = field(default_factory=list)
    causes: Counter = field(default_factory=Counter)
    events: Counter = field(default_factory=Counter)
    traffic: Counter = field(default_factory=Counter)


def up(a, b):
    """Whole b in a, rounded up."""
    return (a + b - 1) // b


class Slow:
    """One layer on one machine."""

    def __init__(self, layer, activations, weights, outputs, spec):
        self.layer, self.x, self.w, self.y, self.spec = layer, activations, weights, outputs, spec
        self.images = activations.shape[0]
        self.depth = layer.C // layer.groups
        self.per_group = layer.K // layer.groups
        self.cut = self._chunks()
        self.trace = Trace(np.zeros((self.images, layer.K, layer.P, layer.Q), np.int64))

    def _chunks(self):
        """Each chunk as a list of (channel of the group, r, s)."""
        size, layer = self.spec.chunk, self.layer
        found = []
        if self.spec.chunk_order == "taps":
            flat = [
                (c, r, s) for c in range(self.depth) for r in range(layer.R) for s in range(layer.S)
            ]
            return [flat[at : at + size] for at in range(0, len(flat), size)]
        for r in range(layer.R):
            for s in range(layer.S):
                for low in range(0, self.depth, size):
                    channels = range(low, min(self.depth, low + size))
                    found.append([(c, r, s) for c in channels])
        return found

    # What the masks say, and the values behind them.

    def weight(self, k, at):
        return int(self.w[(k, *at)])

    def weight_bit(self, k, at):
        return self.weight(k, at) != 0 if self.spec.skip in ("both", "weights") else True

    def value(self, position, group, at):
        image, p, q = position
        c, r, s = at
        row = p * self.layer.stride - self.layer.padding[0] + r * self.layer.dilation
        column = q * self.layer.stride - self.layer.padding[2] + s * self.layer.dilation
        if not (0 <= row < self.layer.H and 0 <= column < self.layer.W):
            return 0
        return int(self.x[image, group * self.depth + c, row, column])

    def value_bit(self, position, group, at):
        packed = self.spec.skip in ("both", "activations")
        return self.value(position, group, at) != 0 if packed else True

    def nonzeros(self, k, chunk):
        return sum(self.weight_bit(k, at) for at in self.cut[chunk])

    # Sizes.

    def packed_bytes(self, nonzeros, length, packed):
        if packed:
            return up(length, 8) + nonzeros * self.spec.operand_bytes
        return length * self.spec.operand_bytes

    def filter_bytes(self, k, chunk):
        packed = self.spec.skip in ("both", "weights")
        return self.packed_bytes(self.nonzeros(k, chunk), len(self.cut[chunk]), packed)

    def stored_filters(self, part):
        pointer = self.spec.pointer_bytes if self.spec.skip in ("both", "weights") else 0
        return sum(self.filter_bytes(k, c) + pointer for k in part.filters for c in part.chunks)

    def line_bytes(self, line, piece):
        """One input line of one chunk of channels, as stored."""
        image, row = divmod(line, self.layer.H)
        channels = range(piece * self.spec.chunk, min((piece + 1) * self.spec.chunk, self.layer.C))
        packed = self.spec.skip in ("both", "activations")
        total = 0
        for column in range(self.layer.W):
            found = sum(self.x[image, c, row, column] != 0 for c in channels)
            total += self.packed_bytes(int(found), len(channels), packed)
            total += self.spec.pointer_bytes if packed else 0
        return total

    # Filters to filter groups, filter groups to passes, passes to blocks.

    def filter_groups(self):
        units = self.spec.units_per_cluster
        size = units if self.spec.balance == "none" else 2 * units
        for group in range(self.layer.groups):
            own = list(range(group * self.per_group, (group + 1) * self.per_group))
            if self.spec.balance != "none":
                own.sort(key=lambda k: -sum(self.nonzeros(k, c) for c in range(len(self.cut))))
            for low in range(0, len(own), size):
                yield group, own[low : low + size]

    def units(self, part, chunk):
        """Which filters each unit has at a chunk: a list of lists."""
        chosen = list(part.filters)
        if self.spec.balance == "hardware":
            chosen.sort(key=lambda k: -self.nonzeros(k, chunk))
        found = [[k] for k in chosen[: self.spec.units_per_cluster]]
        rest = chosen[self.spec.units_per_cluster :]
        for unit, k in enumerate(reversed(rest)):
            found[unit].append(k)
        return found

    def tasks(self):
        half = self.spec.filter_glb_bytes // 2
        for group, filters in self.filter_groups():
            whole = len(self.cut)
            runs, run = [], []
            for chunk in range(whole):
                longer = [*run, chunk]
                if run and self.stored_filters(Filters(group, filters, longer, whole)) > half:
                    runs.append(run)
                    longer = [chunk]
                run = longer
            runs.append(run)
            for number, run in enumerate(runs):
                yield Filters(group, filters, run, whole, number, len(runs))

    def out_bytes(self, count):
        """Most that one output pixel of so many filters takes."""
        spec = self.spec
        size = count * spec.operand_bytes
        if spec.skip in ("both", "activations"):
            size += up(count, 8) + up(count, spec.chunk) * spec.pointer_bytes
        return size

    def block_bytes(self, block):
        filters = sum(len(part.filters) for part in block if part.number == 0)
        size = self.out_bytes(filters)
        if block[0].passes > 1:
            size = max(size, filters * up(self.spec.psum_bits, 8))
        return size

    def blocks(self):
        found, half = [], self.spec.filter_glb_bytes // 2
        for part in self.tasks():
            if part.number > 0:
                found[-1].append(part)
                continue
            if found and part.passes == 1 and found[-1][0].passes == 1:
                longer = [*found[-1], part]
                fits = sum(self.stored_filters(one) for one in longer) <= half
                room = self.layer.Q * self.block_bytes(longer) <= self.spec.output_glb_bytes // 2
                if fits and room:
                    found[-1] = longer
                    continue
            found.append([part])
        return found

    def pieces(self, block):
        """Chunks of the input's channels that a block reads."""
        channels = set()
        for part in block:
            channels.update(range(part.group * self.depth, (part.group + 1) * self.depth))
        return {c // self.spec.chunk for c in channels}

    def lines(self, rows):
        """Input lines from the first to the last that some output rows of all images need."""
        found = []
        for row in rows:
            image, p = divmod(row, self.layer.P)
            for r in range(self.layer.R):
                y = p * self.layer.stride - self.layer.padding[0] + r * self.layer.dilation
                found.append(image * self.layer.H + min(max(y, 0), self.layer.H - 1))
        return set(range(min(found), max(found) + 1))

    def row_runs(self, blocks):
        runs, run = [], []
        for row in range(self.images * self.layer.P):
            longer = [*run, row]
            fits = all(
                sum(self.line_bytes(line, piece) for line in self.lines(longer) for piece in some)
                <= self.spec.input_glb_bytes // 2
                for some in map(self.pieces, blocks)
            )
            room = all(
                len(longer) * self.layer.Q * self.block_bytes(block)
                <= self.spec.output_glb_bytes // 2
                for block in blocks
            )
            if run and not (fits and room):
                runs.append(run)
                longer = [row]
            run = longer
        return [*runs, run]

    def steps(self):
        """(rows, block, tasks of a pass), in the order that loads less, filters outer if equal."""
        blocks = self.blocks()
        runs = self.row_runs(blocks)

        def passes(block):
            return [[part] for part in block] if block[0].passes > 1 else [block]

        outer = [(run, block, some) for block in blocks for run in runs for some in passes(block)]
        inner = [(run, block, some) for run in runs for block in blocks for some in passes(block)]
        sizes = [sum(map(sum, self.loads(steps))) for steps in (outer, inner)]
        return inner if sizes[1] < sizes[0] else outer

    def loads(self, steps):
        """(input bytes, weight bytes) of each step."""
        found, before = [], None
        for run, block, some in steps:
            pieces, lines = self.pieces(block), self.lines(run)
            fresh = set(lines)
            if before is not None and self.pieces(before[1]) == pieces:
                fresh -= self.lines(before[0])
            fetched = sum(self.line_bytes(line, piece) for line in fresh for piece in pieces)
            filters = 0
            if before is None or before[2] != some:
                filters = sum(self.stored_filters(part) for part in some)
            found.append((fetched, filters))
            before = (run, block, some)
        return found

    # Work.

    def unit_chunk(self, part, chunk, position, filters):
        """A unit joins its filters with one broadcast chunk; returns its matches."""
        events, matches = self.trace.events, 0
        for k in filters:
            local = k
            events["pairs"] += 1
            for at in self.cut[chunk]:
                if self.weight_bit(local, at) and self.value_bit(position, part.group, at):
                    matches += 1
                    image, p, q = position
                    product = self.weight(k, at) * self.value(position, part.group, at)
                    self.trace.psums[image, k, p, q] += product
        events["matches"] += matches
        return matches

    def window_bytes(self, part, chunk, position):
        found = sum(self.value_bit(position, part.group, at) for at in self.cut[chunk])
        packed = self.spec.skip in ("both", "activations")
        return self.packed_bytes(found, len(self.cut[chunk]), packed)

    def broadcast(self, part, chunk, position):
        size, spec = self.window_bytes(part, chunk, position), self.spec
        used = min(len(part.filters), spec.units_per_cluster)
        traffic, events = self.trace.traffic, self.trace.events
        traffic["glb", "input", "read"] += size
        traffic["unit", "input", "write"] += used * size
        events["input_glb", "read", "input"] += up(size, spec.port_bytes)
        events["input_buffer", "write", "input"] += used * up(size, spec.unit_port_bytes)

    def chunk_cycles(self, part, chunk, position):
        """Cycles of each unit for one chunk."""
        self.broadcast(part, chunk, position)
        found = []
        for filters in self.units(part, chunk):
            matches = self.unit_chunk(part, chunk, position, filters)
            cycles = max(matches, self.spec.load_cycles)
            self.trace.causes["mac"] += matches
            self.trace.causes["load"] += cycles - matches
            found.append(cycles)
        return found

    def output_cycles(self, part, position):
        """A cluster's time for one output position, clusters running on their own."""
        clocks = [0] * min(len(part.filters), self.spec.units_per_cluster)
        for chunk in part.chunks:
            cycles = self.chunk_cycles(part, chunk, position)
            for unit, more in enumerate(cycles):
                clocks[unit] += more
            if self.spec.sync == "broadcast":
                slowest = max(clocks)
                for unit, clock in enumerate(clocks):
                    self.trace.causes["imbalance"] += slowest - clock
                    clocks[unit] = slowest
        end = max(clocks)
        self.trace.causes["imbalance"] += sum(end - clock for clock in clocks)
        self.trace.causes["fragmentation"] += (self.spec.units_per_cluster - len(clocks)) * end
        return end

    def positions(self, run):
        return [(*divmod(row, self.layer.P), q) for row in run for q in range(self.layer.Q)]

    def free_step(self, run, some):
        """Deal (task, position) to the clusters in turn; returns the last cluster's end."""
        spec = self.spec
        clocks, turn = [0] * spec.clusters, 0
        for part in some:
            served = set()
            for position in self.positions(run):
                cluster = turn % spec.clusters
                if not (self.held(part) and cluster in served):
                    self.fill(part, 1, 1)
                served.add(cluster)
                clocks[cluster] += self.output_cycles(part, position)
                turn += 1
        end = max(clocks)
        for clock in clocks:
            self.trace.causes["barrier"] += spec.units_per_cluster * (end - clock)
        return end

    def locked_step(self, run, some):
        """All clusters side by side on one output row, in step after each chunk."""
        spec, units, total = self.spec, self.spec.units_per_cluster, 0
        for part in some:
            used = min(len(part.filters), units)
            served, first = set(), True
            for row in run:
                line = self.positions([row])
                for low in range(0, len(line), spec.clusters):
                    tile = line[low : low + spec.clusters]
                    if not self.held(part):
                        self.fill(part, 1, len(tile))
                    else:
                        fresh = set(range(len(tile))) - served
                        served |= fresh
                        self.fill(part, int(first), len(fresh))
                    first = False
                    for chunk in part.chunks:
                        cycles = [self.chunk_cycles(part, chunk, position) for position in tile]
                        slowest = max(max(own) for own in cycles)
                        total += slowest
                        for own in cycles:
                            self.trace.causes["imbalance"] += sum(slowest - one for one in own)
                        self.trace.causes["fragmentation"] += len(tile) * (units - used) * slowest
                        self.trace.causes["barrier"] += (
                            (spec.clusters - len(tile)) * units * slowest
                        )
        return total

    def held(self, part):
        """Each unit keeps its chunks of the pass in half its buffer."""
        own = Counter()
        for chunk in part.chunks:
            for unit, filters in enumerate(self.units(part, chunk)):
                own[unit] += sum(self.filter_bytes(k, chunk) for k in filters)
        return max(own.values()) <= self.spec.filter_buffer_bytes // 2

    def fill(self, part, reads, writes):
        """Filters leave the shared buffer so often and enter so many clusters."""
        traffic, events, spec = self.trace.traffic, self.trace.events, self.spec
        for k in part.filters:
            for chunk in part.chunks:
                size = self.filter_bytes(k, chunk)
                traffic["glb", "weight", "read"] += reads * size
                traffic["unit", "weight", "write"] += writes * size
                events["filter_glb", "read", "weight"] += reads * up(size, spec.port_bytes)
                entering = writes * up(size, spec.unit_port_bytes)
                events["filter_buffer", "write", "weight"] += entering

    def store(self, run, some):
        """Bytes of the outputs of a step."""
        spec, filters = self.spec, [k for part in some for k in part.filters]
        if some[-1].number + 1 < some[-1].passes:
            for _ in self.positions(run):
                self.trace.events["waiting"] += len(filters)
                size = len(filters) * up(spec.psum_bits, 8)
                for way in ("read", "write"):
                    self.trace.events["output_glb", way, "psum"] += up(size, spec.port_bytes)
            return 0
        if self.y is None or spec.skip not in ("both", "activations"):
            return len(self.positions(run)) * len(filters) * spec.operand_bytes
        total = 0
        for image, p, q in self.positions(run):
            values = sum(self.y[image, k, p, q] != 0 for k in filters)
            pointers = up(len(filters), spec.chunk) * spec.pointer_bytes
            total += int(values) * spec.operand_bytes + up(len(filters), 8) + pointers
        return total

    def run(self):
        trace, spec = self.trace, self.spec
        steps = self.steps()
        for (run, _, some), (fetched, filters) in zip(steps, self.loads(steps), strict=True):
            work = self.locked_step if spec.sync == "chunk" else self.free_step
            trace.lengths.append(work(run, some))
            trace.input_loads.append(fetched)
            trace.weight_loads.append(filters)
            trace.output_stores.append(self.store(run, some))
        self.finish()
        return trace

    def finish(self):
        """What follows from the matches and the steps one by one."""
        trace, spec, events = self.trace, self.spec, self.trace.events
        pairs, matches, waiting = (events.pop(n, 0) for n in ("pairs", "matches", "waiting"))
        sides = {"input": spec.skip in ("both", "activations")}
        sides["weight"] = spec.skip in ("both", "weights")
        mask = up(spec.chunk, 8)
        for tensor, buffer in (("input", "input_buffer"), ("weight", "filter_buffer")):
            masks = pairs if sides[tensor] else 0
            read = matches + masks * up(mask, spec.unit_port_bytes)
            events[buffer, "read", tensor] += read
            trace.traffic["unit", tensor, "read"] += matches * spec.operand_bytes + masks * mask
        for sizes, buffer, tensor, ways in (
            (trace.input_loads, "input_glb", "input", ("write",)),
            (trace.weight_loads, "filter_glb", "weight", ("write",)),
            (trace.output_stores, "output_glb", "output", ("write", "read")),
        ):
            for way in ways:
                trace.traffic["glb", tensor, way] += sum(sizes)
                events[buffer, way, tensor] += sum(up(size, spec.port_bytes) for size in sizes)
        for way in ("read", "write"):
            trace.traffic["glb", "psum", way] += waiting * up(spec.psum_bits, 8)
            events["psum_register", way, "psum"] += matches + waiting
        for action in ("multiply", "add"):
            events["unit", action, "psum"] += matches
        events["inner_join", "and", "mask"] += pairs if spec.skip == "both" else 0
        events["inner_join", "prefix_sum", "mask"] += pairs * sum(sides.values())
        events["inner_join", "pick", "mask"] += matches if any(sides.values()) else 0
        for key in (("permute_network", "move", "psum"), ("collector", "add", "psum")):
            events[key] += pairs if spec.balance == "hardware" else 0
        events["collector", "write", "output"] += trace.psums.size


def run_layer(layer, activations, weights, outputs, spec):
    """The trace of one layer: ``weights`` (K, C/groups, R, S), ``outputs`` requantized or None."""
    return Slow(layer, activations, weights, outputs, spec).run()
