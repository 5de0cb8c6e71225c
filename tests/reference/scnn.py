"""The slow SCNN: lists of integers multiplied block by block, psums in dictionaries, plain loops.

Written from the description of the machine (arch/scnn/plan.py names the assumptions), not from its
closed forms.  ``spec`` is only read field by field.
"""

from collections import Counter
from itertools import pairwise
from types import SimpleNamespace


def up(a, b):
    """a / b, rounded up."""
    return -(-a // b)


def bank(k, y, x):
    """The accumulator bank of an output coordinate."""
    bits = [k & 1, k >> 1 & 1, y & 1, x & 1, (k >> 2 ^ x >> 1 ^ y >> 1) & 1]
    return sum(bit << place for place, bit in enumerate(bits))


def run_of_zeros(values, spec):
    """Stored entries of a list of values."""
    if not spec.skip_zeros:
        return len(values)
    stored, zeros = 0, 0
    for value in values:
        if value == 0:
            zeros += 1
            continue
        while zeros > spec.longest_run:  # a placeholder, itself a zero, behind a longest run
            stored += 1
            zeros -= spec.longest_run + 1
        stored += 1
        zeros = 0
    return stored


def entry_bytes(entries, spec):
    return up(entries * spec.entry_bits, 8)


def axis(size, taps, outputs, before, after, layer, part, pes, tiling):
    """Inputs, owned outputs and range of made outputs of every tile along one side."""
    stride, dilation = layer.stride, layer.dilation

    def output(y, r):
        reach = y + before - r * dilation
        p = reach // stride
        return p if reach % stride == 0 and part[0] <= p < part[1] else None

    inside = [y for y in range(size) if any(output(y, r) is not None for r in range(taps))]
    low = 0 if part[0] == 0 else part[0] * stride - before
    high = size
    if part[1] != outputs:
        high = (part[1] - 1) * stride - before + (taps - 1) * dilation + 1
    low = min(max(low, 0), size)
    high = min(max(high, low), size)
    assert all(low <= y < high for y in inside)
    if tiling == "output":  # as even as can be: the i-th tile ends at i / count of all
        count = min(pes, max(high - low, part[1] - part[0]))
        return SimpleNamespace(
            tiles=[even_tile(i, count, (low, high), part, output, taps) for i in range(count)],
            output=output,
            before=before,
        )
    else:
        pad_low = before if tiling == "padded_input" and part[0] == 0 else 0
        pad_high = after if tiling == "padded_input" and part[1] == outputs else 0
        total = high - low + pad_low + pad_high
        t = max(1, up(total, pes))
        count = max(1, up(total, t))
        firsts = [low - pad_low + i * t for i in range(count)]

    def tile_of(y):
        return max([i for i in range(count) if firsts[i] <= y], default=0)

    tiles = []
    for i in range(count):
        mine = [y for y in range(low, high) if tile_of(y) == i]
        homes = {p: min(max(p * stride, low), high - 1) for p in range(*part)}
        owned = [p for p in range(*part) if (tile_of(homes[p]) if high > low else count - 1) == i]
        made = [output(y, r) for y in mine for r in range(taps) if output(y, r) is not None]
        made = list(range(min(made), max(made) + 1)) if made else []
        first = part[0] + sum(len(tile.owned) for tile in tiles)
        tiles.append(SimpleNamespace(inputs=mine, owned=owned, made=made, first=first))
    return SimpleNamespace(tiles=tiles, output=output, before=before)


def share(i, count, first, last):
    """The i-th of ``count`` parts of a range that are as even as can be."""
    return range(first + i * (last - first) // count, first + (i + 1) * (last - first) // count)


def even_tile(i, count, inputs, part, output, taps):
    mine, owned = share(i, count, *inputs), share(i, count, *part)
    made = [output(y, r) for y in mine for r in range(taps) if output(y, r) is not None]
    made = list(range(min(made), max(made) + 1)) if made else []
    return SimpleNamespace(inputs=list(mine), owned=list(owned), made=made, first=owned.start)


def make_strip(layer, spec, rows, columns):
    top, bottom, left, right = layer.padding
    if layer.is_linear:
        one = axis(1, 1, 1, 0, 0, layer, (0, 1), 1, spec.tiling)
        return SimpleNamespace(rows=one, columns=one, area=1)
    down = axis(layer.H, layer.R, layer.P, top, bottom, layer, rows, spec.pe_rows, spec.tiling)
    across = axis(
        layer.W, layer.S, layer.Q, left, right, layer, columns, spec.pe_columns, spec.tiling
    )
    area = up(rows[1] - rows[0], spec.pe_rows) * up(columns[1] - columns[0], spec.pe_columns)
    return SimpleNamespace(rows=down, columns=across, area=area)


def cut(total, size):
    return [range(k, min(k + size, total)) for k in range(0, total, size)]


def spans(outputs, pes, parts):
    """Parts of whole rows of tiles, all PEs a row."""
    rows = up(outputs, pes)
    ends = [min(outputs, rows * i // parts * pes) for i in range(parts + 1)]
    return list(pairwise(ends))


def grids(layer, spec):
    """The ways to cut the plane, each a list of strips."""
    if layer.is_linear:
        return [[make_strip(layer, spec, None, None)]]
    if spec.tiling != "output":
        for count in range(1, layer.P // min(layer.P, spec.pe_rows) + 1):
            rows = cut(layer.P, up(layer.P, count))
            parts = [(part.start, part.stop) for part in rows]
            found = [make_strip(layer, spec, part, (0, layer.Q)) for part in parts]
            area = max(strip.area for strip in found)
            if spec.filters_per_group != "fit" or area <= spec.accumulator_entries:
                return [found]
        raise AssertionError("refused")
    down, across = up(layer.P, spec.pe_rows), up(layer.Q, spec.pe_columns)
    high, wide, found = 1, 1, []
    while True:
        rows, columns = spans(layer.P, spec.pe_rows, high), spans(layer.Q, spec.pe_columns, wide)
        found.append([make_strip(layer, spec, row, column) for row in rows for column in columns])
        if high == down and wide == across:
            return found
        taller = high / down <= wide / across  # tiles are as square as the plane's
        if high < down and (taller or wide == across):
            high = min(2 * high, down)
        else:
            wide = min(2 * wide, across)


def groupings(layer, spec, area):
    """The ways to group the filters, each a list of ranges."""
    share = up(layer.K, spec.pes) if layer.is_linear else layer.K
    if spec.filters_per_group != "fit":
        return [cut(layer.K, min(layer.K, spec.filters_per_group))]
    if spec.tiling != "output":
        most = min(share, max(1, spec.accumulator_entries // area))
        return [cut(layer.K, min(layer.K, most))]
    per, found = layer.K // layer.groups, []
    if layer.is_linear:
        numbers = [n for n in range(1, share + 1) if n & (n - 1) == 0 or n == share]
        found = [cut(layer.K, up(share, n)) for n in numbers]
    else:
        found = [cut(layer.K, per * up(layer.groups, n)) for n in range(1, layer.groups + 1)]
        for n in range(2, per + 1):
            inner = cut(per, up(per, n))
            found.append(
                [
                    range(g * per + each.start, g * per + each.stop)
                    for g in range(layer.groups)
                    for each in inner
                ]
            )
    distinct = [each for i, each in enumerate(found) if each not in found[:i]]
    return [
        each
        for each in distinct
        if max(map(len, each)) * area <= spec.accumulator_entries
    ]  # fmt: skip


def tile_values(plane, rows, columns):
    return [plane[y][x] for y in rows for x in columns]


def group_weights(layer, weights, group, c):
    """(r, s, k, value) of all weights of a group of filters and a channel, zeros too, in order."""
    depth, per = layer.channels_per_group, layer.K // layer.groups
    return [
        (r, s, k, weights[k][c % depth][r][s])
        for r in range(layer.R)
        for s in range(layer.S)
        for k in group
        if k // per == c // depth
    ]


def weight_bytes(layer, weights, step, spec):
    return entry_bytes(
        sum(
            run_of_zeros([w[3] for w in group_weights(layer, weights, group, c)], spec)
            for group in step
            for c in range(layer.C)
        ),
        spec,
    )


def entries_by_channel(image, strip, spec):
    """Entries of each channel and tile."""
    return [
        [
            run_of_zeros(tile_values(plane, row.inputs, column.inputs), spec)
            for row in strip.rows.tiles
            for column in strip.columns.tiles
        ]
        for plane in image
    ]


def channels_of(layer, step):
    """Input channels that a step reads."""
    depth, per = layer.channels_per_group, layer.K // layer.groups
    return {c for c in range(layer.C) for group in step for k in group if k // per == c // depth}


def iaram(entries, channels, layer, spec):
    """IARAM bytes of the fullest PE that holds these channels."""
    sums = [sum(entries[c][tile] for c in channels) for tile in range(len(entries[0]))]
    return max(
        entry_bytes(up(total, spec.pes) if layer.is_linear else total, spec) for total in sums
    )


def ways_to_load(layer, spec, steps, image):
    """[(bytes of each step, steps that wait for the one before, streamed)]."""
    held, streamed, starts, units = [], [], [], []
    for n, step in enumerate(steps):
        entries = step.entries
        channels = channels_of(layer, step.groups)
        before = n > 0 and steps[n - 1].strip is step.strip
        known = channels_of(layer, steps[n - 1].groups) if before else set()
        starts.append(not channels & known)
        if starts[-1]:
            units.append([])
        units[-1].append((entries, channels))
        held.append(entry_bytes(sum(sum(entries[c]) for c in channels - known), spec))
        streamed.append(entry_bytes(sum(sum(entries[c]) for c in channels), spec))
    most = 0
    for unit in units:
        if len(unit) > 1:
            every = set().union(*(channels for _, channels in unit))
            most = max(most, iaram(unit[0][0], every, layer, spec))
    whole = (
        steps[0].strip is steps[-1].strip
        and iaram(steps[0].entries, range(layer.C), layer, spec) <= spec.iaram_bytes
    )
    calm = [False] * len(steps)
    if whole or most <= spec.iaram_bytes // 2:
        return [(held, calm, False)]
    if most > spec.iaram_bytes:
        return [(streamed, calm, True)]
    return [(held, [False, *starts[1:]], False), (streamed, calm, True)]


def multiply(pixels, taps, strip, spec, together, sums, counts):
    """All blocks of one PE, channel, group and phase; returns the PE's cycles."""
    cycles = 0
    for a in range(0, len(pixels), together):
        for w in range(0, len(taps), spec.weight_vector):
            fill = Counter()
            for y, x, pixel in pixels[a : a + together]:
                for r, s, k, weight in taps[w : w + spec.weight_vector]:
                    counts["products"] += 1
                    p, q = strip.rows.output(y, r), strip.columns.output(x, s)
                    if p is None or q is None:
                        continue
                    counts["useful"] += 1
                    counts["pairs"] += pixel != 0 and weight != 0
                    sums[k][p][q] += int(pixel) * int(weight)
                    fill[bank(k, p, q)] += 1
            counts["blocks"] += 1
            stall = spec.skip_zeros and spec.bank_conflicts == "stall"
            cycles += max([1, *fill.values()]) if stall else 1
    return cycles


def run_step(layer, spec, strip, step, image, weights, sums, counts):
    """Cycles of every PE and channel of one step: {pe: [cycles by channel]}."""
    stride = layer.stride
    phases = [(v, h) for v in range(stride) for h in range(stride)]
    work = {}
    if layer.is_linear:
        tile = (strip.rows.tiles[0], strip.columns.tiles[0])
        jobs = [(pe, *tile, group) for pe, group in enumerate(step)]
    else:
        jobs = [
            (i * spec.pe_columns + j, row, column, step[0])
            for i, row in enumerate(strip.rows.tiles)
            for j, column in enumerate(strip.columns.tiles)
        ]
    together = 1 if layer.is_linear else spec.activation_vector
    depth, per = layer.channels_per_group, layer.K // layer.groups
    for pe, row, column, group in jobs:
        work[pe] = []
        for c in range(layer.C):
            taken = 0
            touched = any(k // per == c // depth for k in group)
            if touched:
                counts["starts"] += spec.channel_cycles
                taken += spec.channel_cycles
            queue = [
                (y, x, image[c][y][x])
                for y in row.inputs
                for x in column.inputs
                if image[c][y][x] != 0 or not spec.skip_zeros
            ]
            held = [
                w
                for w in group_weights(layer, weights, group, c)
                if w[3] != 0 or not spec.skip_zeros
            ]
            for v, h in phases:
                pixels = [
                    a
                    for a in queue
                    if (a[0] + strip.rows.before) % stride == v
                    and (a[1] + strip.columns.before) % stride == h
                ]
                taps = [
                    w
                    for w in held
                    if w[0] * layer.dilation % stride == v and w[1] * layer.dilation % stride == h
                ]
                taken += multiply(pixels, taps, strip, spec, together, sums, counts)
                if touched:  # read whether or not a weight is there
                    counts["activation vectors"] += up(len(pixels), together)
                if layer.is_linear or pe == 0:
                    copies = 1 if layer.is_linear else spec.pes
                    counts["weight vectors"] += copies * up(len(taps), spec.weight_vector)
            work[pe].append(taken)
    return work


def halo(strip, filters):
    """Most psums that a PE sends to one neighbour, and all psums sent."""
    most = total = 0
    for row in strip.rows.tiles:
        for column in strip.columns.tiles:
            regions = Counter()
            for p in row.made:
                for q in column.made:
                    sides = []
                    for at, tile in ((p, row), (q, column)):
                        if at in tile.owned:
                            sides.append(0)
                        else:
                            sides.append(-1 if at < tile.first else 1)
                    if sides != [0, 0]:
                        regions[tuple(sides)] += 1
            most = max([most, *regions.values()])
            total += sum(regions.values())
    return most * filters, total * filters


def count(layer, spec, strips, groups, weights, image, output):
    """One image by one plan: its steps, counts and sums."""
    counts, used, per_pe, steps = Counter(), set(), Counter(), []
    sums = [[[0] * layer.Q for _ in range(layer.P)] for _ in range(layer.K)]
    at_once = spec.pes if layer.is_linear else 1
    for strip in strips:
        entries = entries_by_channel(image, strip, spec)
        for at in range(0, len(groups), at_once):
            step = groups[at : at + at_once]
            work = run_step(layer, spec, strip, step, image, weights, sums, counts)
            filters = [k for group in step for k in group]
            used |= set(work)
            before = max(per_pe.values(), default=0)
            for pe, taken in work.items():
                per_pe[pe] += sum(taken)
            lengths = {
                "channel": sum(max(taken) for taken in zip(*work.values(), strict=True)),
                "group": max(sum(taken) for taken in work.values()),
                "layer": max(per_pe.values()) - before,
            }
            exchange, words = (0, 0) if layer.is_linear else halo(strip, len(filters))
            counts["halo words"] += words
            steps.append(
                SimpleNamespace(
                    compute=lengths[spec.barrier],
                    exchange=exchange,
                    weight=weight_bytes(layer, weights, step, spec),
                    output=output_bytes(strip, filters, output, spec),
                    entries=entries,
                    groups=step,
                    strip=strip,
                )
            )
    wait_for_halos(steps, spec)
    counts["busy"] = sum(per_pe.values())
    return SimpleNamespace(steps=steps, counts=counts, used=used, sums=sums)


def dram_cycles(steps, spec):
    """The server's recurrence, step by step: L0, L1, W0, L2, W1 and so on."""
    latency = spec.dram_latency_cycles
    free, ends, loaded, stored = 0, {-1: 0, -2: 0}, {}, {-1: 0, -2: 0}

    def bus(sizes):
        return sum(up(size, spec.dram_burst_bytes) * spec.dram_burst_bytes for size in sizes)

    def serve(size, earliest):
        nonlocal free
        if size == 0:
            return earliest
        free = max(free, earliest) + latency
        free += up(size * spec.clock_hz, spec.dram_bandwidth_bytes_per_s)
        return free

    def load(n):
        if n < len(steps):
            loaded[n] = serve(bus([steps[n][1], steps[n][2]]), ends[n - 2])

    load(0)
    for n, (length, _, _, left) in enumerate(steps):
        start = max(ends[n - 1], loaded[n], stored[n - 2])
        ends[n] = start + length
        if n == 0:
            load(1)
        stored[n] = serve(bus([left]), ends[n])
        load(n + 2)
    return max([*ends.values(), *stored.values()]), sum(bus(step[1:]) for step in steps)


def timed(plan):
    """Steps as (length, input, weight, output), an empty one before each that waits."""
    rows = []
    for step, size, wait in zip(plan.work.steps, plan.inputs, plan.waits, strict=True):
        rows += [(0, 0, 0, 0)] * wait
        rows.append((step.compute + step.wait, size, step.weight, step.output))
    return rows


def best_plan(layer, spec, weights, image, output):
    """All plans of one image; the one of the fewest cycles, then bytes, then the first."""
    found = []
    for strips in grids(layer, spec):
        for groups in groupings(layer, spec, max(strip.area for strip in strips)):
            work = count(layer, spec, strips, groups, weights, image, output)
            for inputs, waits, streamed in ways_to_load(layer, spec, work.steps, image):
                plan = SimpleNamespace(
                    work=work, inputs=inputs, waits=waits, streamed=streamed, strips=strips
                )
                plan.cost = dram_cycles(timed(plan), spec)
                found.append(plan)
    return min(found, key=lambda plan: plan.cost)


def run(layer, spec, weights, image, output):
    """Everything that the machine counts for one image."""
    plan = best_plan(layer, spec, weights, image, output)
    work, counts = plan.work, plan.work.counts
    steps, waits = work.steps, sum(step.wait for step in work.steps)
    cycles = sum(step.compute for step in steps)
    block = spec.activation_vector * spec.weight_vector
    units, busy = spec.pes * block, counts["busy"]
    idle = (spec.pes - len(work.used)) * cycles
    causes = {
        "multiply": counts["useful"],
        "outside": counts["products"] - counts["useful"],
        "fragmentation": counts["blocks"] * block - counts["products"],
        "bank_conflict": (busy - counts["starts"] - counts["blocks"]) * block,
        "channel_start": counts["starts"] * block,
        "imbalance": (spec.pes * cycles - idle - busy) * block,
        "idle_mapping": idle * block,
        "halo": units * waits,
    }
    return SimpleNamespace(
        psums=work.sums, plan=plan, counts=counts, causes=causes, compute=cycles, halo=waits,
        cycles=plan.cost[0], steps=steps, inputs=plan.inputs, weights=[s.weight for s in steps],
        outputs=[s.output for s in steps],
    )  # fmt: skip


def wait_for_halos(steps, spec):
    """What the exchange of each group adds."""
    for n, step in enumerate(steps):
        if spec.halo == "serial":
            step.wait = step.exchange
            continue
        step.wait = 0
        if n and spec.barrier != "layer":
            step.wait = max(0, steps[n - 1].exchange - step.compute)
        if n == len(steps) - 1:
            step.wait += step.exchange


def output_bytes(strip, filters, output, spec):
    """Compressed bytes of a step's outputs, real integers [k][p][q]."""
    entries = 0
    for k in filters:
        for row in strip.rows.tiles:
            for column in strip.columns.tiles:
                entries += run_of_zeros(tile_values(output[k], row.owned, column.owned), spec)
    return entry_bytes(entries, spec)
