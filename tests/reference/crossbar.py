"""The slow crossbar machine: cells that are written, driven and read one by one, plain loops.

Written from the description of the machine.  Every cell holds an integer level, every beat puts a
digit on every driven row, and every column is summed, converted, shifted and added.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from tests.reference import plans
from tests.reference.plans import cut, few_counts, up


@dataclass
class Trace:
    """What the machine did."""

    psums: np.ndarray
    lengths: list = field(default_factory=list)
    loads: dict = field(default_factory=lambda: {"input": [], "weight": [], "psum": []})
    stores: dict = field(default_factory=lambda: {"output": [], "psum": []})
    causes: Counter = field(default_factory=Counter)
    traffic: Counter = field(default_factory=Counter)
    events: Counter = field(default_factory=Counter)
    multiplies: int = 0
    largest: int = 0


def tiles_of(layer, weights, spec):
    """Tiles in order: (group, column tile, strip), taps [(channel, r, s)] and filters."""
    found, possible = [], 0
    deep, filters = layer.C // layer.groups, layer.K // layer.groups
    for g in range(layer.groups):
        taps = [(c, r, s) for c in range(deep) for r in range(layer.R) for s in range(layer.S)]
        mine = [g * filters + k for k in range(filters)]
        possible += up(len(taps), spec.crossbar_rows) * up(filters, spec.crossbar_columns)
        if spec.skip == "structured":
            full = list(mine)
            mine = [k for k in mine if any(weights[k][t] for t in taps)]
            taps = [t for t in taps if any(weights[k][t] for k in full)]
        for j in range(0, len(mine), spec.crossbar_columns):
            for i in range(0, len(taps), spec.crossbar_rows):
                rows = taps[i : i + spec.crossbar_rows]
                columns = mine[j : j + spec.crossbar_columns]
                if spec.skip == "none" or any(weights[k][t] for k in columns for t in rows):
                    found.append(((g, j, i), rows, columns))
    return found, possible


def in_passes(tiles, capacity):
    """Lists of tiles; a column of tiles is never cut if it fits."""
    columns = {}
    for tile in tiles:
        columns.setdefault(tile[0][:2], []).append(tile)
    passes, current = [], []
    for column in columns.values():
        if current and len(current) + len(column) > capacity:
            passes.append(current)
            current = []
        if len(column) > capacity:
            passes += [column[i : i + capacity] for i in range(0, len(column), capacity)]
        else:
            current = current + column
    return passes + ([current] if current or not passes else [])


class Machine:
    """One layer on the crossbars."""

    def __init__(self, tensors, spec):
        self.layer, self.spec = tensors.layer, spec
        self.pixels = tensors.activations.astype(int)
        self.signed = tensors.activations.dtype == np.int8
        self.weights = tensors.dense_weights().astype(int)
        layer = self.layer
        self.places = [
            (n, p, q) for n in range(tensors.images) for p in range(layer.P) for q in range(layer.Q)
        ]
        self.trace = Trace(np.zeros((tensors.images, layer.K, layer.P, layer.Q), int))
        self.tiles, self.possible = tiles_of(layer, self.weights, spec)
        self.passes = in_passes(self.tiles, spec.capacity)

    def activation(self, place, g, tap):
        """What a row is fed with for one output."""
        layer, (n, p, q), (c, r, s) = self.layer, place, tap
        y = p * layer.strides[0] - layer.padding[0] + r * layer.dilations[0]
        x = q * layer.strides[1] - layer.padding[2] + s * layer.dilations[1]
        inside = 0 <= y < layer.H and 0 <= x < layer.W
        channel = g * (layer.C // layer.groups) + c
        return (self.pixels[n, channel, y, x] if inside else 0) + 128 * self.signed

    def level(self, k, tap, sign, slice_):
        left = max(sign * self.weights[k][tap], 0) >> (slice_ * self.spec.cell_bits)
        return left % (1 << self.spec.cell_bits)

    def channels(self, tile):
        (g, _, _), rows, _ = tile
        return {g * (self.layer.C // self.layer.groups) + c for c, _, _ in rows}

    def lines(self, block):
        """Input lines under a block: all between the first and the last, padding clipped."""
        layer, found = self.layer, []
        for n, p, _ in (block[0], block[-1]):
            for r in (0, layer.R - 1):
                y = p * layer.strides[0] - layer.padding[0] + r * layer.dilations[0]
                found.append(n * layer.H + min(max(y, 0), layer.H - 1))
        return set(range(found[0], found[3] + 1))

    # The plans there are: steps that write a pass, and how its outputs are cut.

    def facts(self, number, images):
        """What a pass is, whatever the buffers hold."""
        tiles, spec = self.passes[number], self.spec
        mine = {tile[0][:2] for tile in tiles}
        before = {t[0][:2] for tiles_ in self.passes[:number] for t in tiles_}
        behind = {t[0][:2] for tiles_ in self.passes[number + 1 :] for t in tiles_}
        width = {tile[0][:2]: len(tile[2]) for tile in tiles}
        done = sum(width[key] for key in mine - behind)
        if number == len(self.passes) - 1:
            held = {tile[0][:2]: len(tile[2]) for tile in self.tiles}
            done += self.layer.K - sum(held.values())
        outputs, copies = images * self.layer.P * self.layer.Q, 1
        if tiles and spec.copies == "fill":
            most = min(spec.capacity // len(tiles), outputs)
            copies = next(c for c in range(1, most + 1) if up(outputs, c) == up(outputs, most))
        channels = set().union(*map(self.channels, tiles))
        seen = set().union(*(self.channels(t) for part in self.passes[:number] for t in part))
        written = tiles and (spec.programming == "counted" or len(self.passes) > 1)
        return {
            "done": done,
            "waiting": sum(width[key] for key in mine & behind),
            "resumed": sum(width[key] for key in mine & before),
            "copies": copies,
            "channels": len(channels),
            "fresh": len(channels - seen),
            "tall": max(len(rows) for _, rows, _ in tiles) if written else 0,
            "cycles": self.turn_cycles(tiles),
        }

    def turn_cycles(self, tiles):
        """Cycles in which every copy takes one output."""
        spec = self.spec
        if not tiles:
            return 1
        sets = max(up(len(rows), spec.rows_at_once) for _, rows, _ in tiles)
        return sets * up(8, spec.dac_bits) * self.beat(tiles)

    def beat(self, tiles):
        spec = self.spec
        reading = up(spec.read_ns * spec.clock_hz, 10**9)
        wide = max(len(columns) for _, _, columns in tiles)
        return max(reading, up(up(wide, spec.adcs_per_crossbar) * spec.clock_hz, spec.adc_hz))

    def cuts(self, places, facts):
        """Blocks of every pass: whole turns of its copies, or parts of a turn."""
        turns = [up(len(places), fact["copies"]) for fact in facts]
        for count in few_counts(max(turns)):
            found = []
            for fact, whole in zip(facts, turns, strict=True):
                blocks = cut(range(whole), min(count, whole))
                size = fact["copies"]
                found.append([places[b[0] * size : (b[-1] + 1) * size] for b in blocks])
            yield found
        for count in few_counts(max(fact["copies"] for fact in facts))[1:]:
            sizes = [up(fact["copies"], count) for fact in facts]
            yield [[places[i : i + n] for i in range(0, len(places), n)] for n in sizes]

    def stays(self, images):
        everything = set().union(*map(self.channels, self.tiles))
        pixels = images * self.layer.H * self.layer.W
        return pixels * len(everything) * self.spec.operand_bytes <= self.spec.input_bytes // 2

    def room(self, facts, blocks, writes, images):
        """Whether it all fits half of each buffer."""
        spec, psum = self.spec, up(self.spec.psum_bits, 8)
        for number, fact in enumerate(facts):
            row = sum(len(columns) for _, _, columns in self.passes[number])
            pixel = fact["done"] * spec.operand_bytes + (fact["waiting"] + fact["resumed"]) * psum
            lines = max(len(self.lines(block)) for block in blocks[number])
            inputs = lines * self.layer.W * fact["channels"] * spec.operand_bytes
            if (
                up(fact["tall"], writes) * row > spec.weight_bytes // 2
                or max(map(len, blocks[number])) * pixel > spec.output_bytes // 2
                or (inputs > spec.input_bytes // 2 and not self.stays(images))
            ):
                return False
        return True

    def timed(self, facts, blocks, writes, images):
        """(loads, stores, length) of every step."""
        spec, found = self.spec, []
        psum, time = up(spec.psum_bits, 8), up(spec.write_ns * spec.clock_hz, 10**9)
        for number, fact in enumerate(facts):
            for rows in cut(range(fact["tall"]), min(writes, fact["tall"])) if fact["tall"] else []:
                tiles = self.passes[number]
                size = sum(len(columns) for i in rows for _, r, columns in tiles if i < len(r))
                found.append(((0, size, 0), (0, 0), len(rows) * time))
            channels, last = fact["fresh" if self.stays(images) else "channels"], set()
            for block in blocks[number]:
                lines, n = self.lines(block), len(block)
                pixels = len(lines - last) * self.layer.W
                loads = (pixels * channels * spec.operand_bytes, 0, n * fact["resumed"] * psum)
                stores = (n * fact["done"] * spec.operand_bytes, n * fact["waiting"] * psum)
                found.append((loads, stores, up(n, fact["copies"]) * fact["cycles"]))
                last = lines
        return found

    def cheapest(self, places):
        """(cost, (facts, blocks, writes)) of some images."""
        images = len(places) // (self.layer.P * self.layer.Q)
        facts = [self.facts(number, images) for number in range(len(self.passes))]
        found = []
        for writes in few_counts(max(1, *(fact["tall"] for fact in facts))):
            for blocks in self.cuts(places, facts):
                if self.room(facts, blocks, writes, images):
                    timed = self.timed(facts, blocks, writes, images)
                    found.append((plans.cost(timed, self.spec), (facts, blocks, writes, images)))
        return min(found, key=lambda entry: entry[0])

    def chosen(self):
        """Of all images together, or of each by itself if that costs less."""
        each, images = self.layer.P * self.layer.Q, self.pixels.shape[0]
        together = self.cheapest(self.places)
        alone = [self.cheapest(self.places[i * each : (i + 1) * each]) for i in range(images)]
        sums = tuple(sum(cost[way] for cost, _ in alone) for way in (0, 1))
        return [together[1]] if together[0] <= sums else [run for _, run in alone]

    def step(self, length, **moved):
        trace = self.trace
        trace.lengths.append(length)
        for side, names in (
            (trace.loads, ("input", "weight", "resumed")),
            (trace.stores, ("output", "waiting")),
        ):
            for name in names:
                tensor = "psum" if name in ("resumed", "waiting") else name
                size = moved.get(name, 0)
                side[tensor].append(size)
                trace.traffic["glb", tensor, "write"] += size
                if tensor != "input":
                    trace.traffic["glb", tensor, "read"] += size
                buffer = "output" if tensor in ("psum", "output") else tensor
                trace.events[f"{buffer}_buffer", "write", tensor] += up(size, self.spec.port_bytes)
                if tensor != "input":
                    key = (f"{buffer}_buffer", "read", tensor)
                    trace.events[key] += up(size, self.spec.port_bytes)

    def run(self):
        for number, (facts, blocks, writes, images) in enumerate(self.chosen()):
            if number:  # all of the image before leaves first
                self.step(0)
                self.step(0)
            for part, tiles in enumerate(self.passes):
                self.run_pass(tiles, facts[part], blocks[part], writes, self.stays(images))
        return self.trace

    def run_pass(self, tiles, fact, blocks, writes, stays):
        spec, layer, trace = self.spec, self.layer, self.trace
        each, copies = 2 * up(8, spec.cell_bits), fact["copies"]
        if fact["tall"]:
            self.write(tiles, copies, cut(range(fact["tall"]), min(writes, fact["tall"])))
        channels, last = fact["fresh" if stays else "channels"], set()
        for block in blocks:
            lines = self.lines(block)
            length = 0
            for i in range(0, len(block), copies):
                length += self.turn(tiles, block[i : i + copies], copies)
            psum = len(block) * up(spec.psum_bits, 8)
            self.step(
                length,
                input=len(lines - last) * layer.W * channels * spec.operand_bytes,
                output=len(block) * fact["done"] * spec.operand_bytes,
                waiting=fact["waiting"] * psum,
                resumed=fact["resumed"] * psum,
            )
            last = lines
            trace.causes["no_tile"] += (spec.crossbars - len(tiles) * copies * each) * length
        for (g, j, i), _, columns in tiles:
            earlier = any(t[0][:2] == (g, j) and t[0][2] < i for t in self.tiles)
            outputs = sum(map(len, blocks))
            trace.events["accumulator", "add", "psum"] += earlier * len(columns) * outputs

    def write(self, tiles, copies, runs):
        spec, each = self.spec, 2 * up(8, self.spec.cell_bits)
        time = up(spec.write_ns * spec.clock_hz, 10**9)
        for run in runs:
            size = cycles = 0
            for i in run:
                cycles += time
                for _, rows, columns in tiles:
                    if i < len(rows):
                        size += len(columns)
                        cells = (len(columns) + 1) * each * copies
                        self.trace.events["cell", "write", "weight"] += cells
                        self.trace.causes["program"] += each * copies * time
                    else:
                        self.trace.causes["program_wait"] += each * copies * time
            self.step(cycles, weight=size)
            free = spec.crossbars - len(tiles) * copies * each
            self.trace.causes["no_tile"] += free * cycles

    def turn(self, tiles, outputs, copies):
        """Every copy takes one output; returns the cycles."""
        spec, each = self.spec, 2 * up(8, self.spec.cell_bits)
        if not tiles:
            return 1
        reading = up(spec.read_ns * spec.clock_hz, 10**9)
        beat, beats = self.beat(tiles), up(8, spec.dac_bits)
        cycles = self.turn_cycles(tiles)
        for place in outputs:
            self.fetch(tiles, place)
            for tile in tiles:
                self.one_tile(tile, place, beats)
                own = up(len(tile[1]), spec.rows_at_once) * beats * each
                self.trace.causes["read"] += own * reading
                self.trace.causes["convert"] += own * (beat - reading)
                self.trace.causes["short_tile"] += each * cycles - own * beat
        idle = copies - len(outputs)
        self.trace.causes["idle_copy"] += idle * len(tiles) * each * cycles
        return cycles

    def fetch(self, tiles, place):
        word, port = self.spec.operand_bytes, self.spec.port_bytes
        for rows in {(g, i): rows for (g, _, i), rows, _ in tiles}.values():
            self.trace.traffic["glb", "input", "read"] += len(rows) * word
            self.trace.events["input_buffer", "read", "input"] += up(len(rows) * word, port)
        for _, rows, _ in tiles:
            self.trace.events["input_register", "write", "input"] += len(rows)
            self.trace.events["input_register", "read", "input"] += len(rows)

    def one_tile(self, tile, place, beats):
        spec, trace = self.spec, self.trace
        (g, _, _), rows, columns = tile
        n, p, q = place
        fed = [self.activation(place, g, tap) for tap in rows]
        trace.multiplies += len(rows) * len(columns)
        for beat in range(beats):
            digits = [value >> (beat * spec.dac_bits) & ((1 << spec.dac_bits) - 1) for value in fed]
            for first in range(0, len(rows), spec.rows_at_once):
                driven = range(first, min(first + spec.rows_at_once, len(rows)))
                for sign in (1, -1):
                    for slice_ in range(up(8, spec.cell_bits)):
                        trace.events["dac", "drive", "input"] += len(driven)
                        reads = sum(digits[i] != 0 for i in driven) * (len(columns) + 1)
                        trace.events["cell", "read", "psum"] += reads
                        shift = beat * spec.dac_bits + slice_ * spec.cell_bits
                        for k in columns:
                            code = sum(
                                digits[i] * self.level(k, rows[i], sign, slice_) for i in driven
                            )
                            trace.largest = max(trace.largest, code)
                            trace.events["adc", "convert", "psum"] += 1
                            trace.events["shift_add", "add", "psum"] += 1
                            trace.psums[n, k, p, q] += sign * (code << shift)
        if self.signed:
            for k in columns:
                trace.psums[n, k, p, q] -= 128 * sum(self.weights[k][tap] for tap in rows)
