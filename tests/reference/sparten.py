"""The slow SparTen: units that match position after position, clusters that count their cycles.

Written from the description of the machine, with dictionaries, sets and real integers; every
product is formed where a unit finds a match.  Nothing here is shared with the fast model but the
fields of the spec.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from tests.reference.plans import up
from tests.reference.sparten_plans import Planned


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


class Slow(Planned):
    """One layer on one machine."""

    def __init__(self, layer, activations, weights, outputs, spec):
        super().__init__(layer, activations, weights, outputs, spec)
        self.trace = Trace(np.zeros((self.images, layer.K, layer.P, layer.Q), np.int64))

    # Work.

    def unit_chunk(self, part, chunk, position, filters):
        """A unit joins its filters with one broadcast chunk; returns its matches."""
        events, matches = self.trace.events, 0
        for k in filters:
            events["pairs"] += 1
            for at in self.cut[chunk]:
                if self.weight_bit(k, at) and self.value_bit(position, part.group, at):
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
        """Bytes of the outputs of a step; or its psums wait, and are read by the next pass."""
        if some[-1].number + 1 < some[-1].passes:
            size = len(some[0].filters) * up(self.spec.psum_bits, 8)
            for _ in self.positions(run):
                self.trace.events["waiting"] += len(some[0].filters)
                for way in ("read", "write"):
                    self.trace.events["output_glb", way, "psum"] += up(size, self.spec.port_bytes)
        return self.store_bytes(run, some)

    def run(self):
        trace = self.trace
        for number, steps in enumerate(self.chosen()):
            if number:  # all of the images before leaves first
                for sizes in (trace.lengths, trace.input_loads, trace.weight_loads):
                    sizes += [0, 0]
                trace.output_stores += [0, 0]
            for (run, some), (fetched, filters) in zip(steps, self.loads(steps), strict=True):
                work = self.locked_step if self.spec.sync == "chunk" else self.free_step
                trace.lengths.append(work(run, some))
                trace.input_loads.append(fetched)
                trace.weight_loads.append(filters)
                trace.output_stores.append(self.store(run, some))
                if some[0].balance == "hardware":
                    pairs = sum(len(part.filters) * len(part.chunks) for part in some)
                    trace.events["permuted"] += len(self.positions(run)) * pairs
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
        permuted = events.pop("permuted", 0)
        for key in (("permute_network", "move", "psum"), ("collector", "add", "psum")):
            events[key] += permuted
        events["collector", "write", "output"] += trace.psums.size


def run_layer(layer, activations, weights, outputs, spec):
    """The trace of one layer: ``weights`` (K, C/groups, R, S), ``outputs`` requantized or None."""
    return Slow(layer, activations, weights, outputs, spec).run()
