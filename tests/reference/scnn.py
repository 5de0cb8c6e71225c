"""The slow SCNN: lists of integers multiplied block by block, psums in dictionaries, plain loops.

Written from the description of the machine (arch/scnn/plan.py names the assumptions), not from its
closed forms.  ``spec`` is only read field by field.
"""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

from tests.reference.scnn_plans import all_plans, up


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
    (down, across), (skip, over) = layer.strides, layer.dilations
    phases = [(v, h) for v in range(down) for h in range(across)]
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
                    if (a[0] + strip.rows.before) % down == v
                    and (a[1] + strip.columns.before) % across == h
                ]
                taps = [w for w in held if w[0] * skip % down == v and w[1] * over % across == h]
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
    for strips, groups in all_plans(layer, spec):
        work = count(layer, spec, strips, groups, weights, image, output)
        for inputs, waits, streamed in ways_to_load(layer, spec, work.steps, image):
            plan = SimpleNamespace(
                work=work, inputs=inputs, waits=waits, streamed=streamed, strips=strips
            )
            plan.cost = dram_cycles(timed(plan), spec)
            found.append(plan)
    best = min(found, key=lambda plan: plan.cost)
    if layer.groups > 1 and spec.tiling == "output" and spec.filters_per_group == "fit":
        found = [best, one_by_one(layer, spec, weights, image, output)]
        best = min(found, key=lambda plan: plan.cost)
    return best


def one_by_one(layer, spec, weights, image, output):
    """Each layer group by its own best plan; one begins when the one before has ended."""
    depth, per = layer.channels_per_group, layer.K // layer.groups
    alone, plans = replace(layer, C=depth, K=per, groups=1), []
    for g in range(layer.groups):
        filters = slice(g * per, (g + 1) * per)
        channels = image[g * depth : (g + 1) * depth]
        plans.append(best_plan(alone, spec, weights[filters], channels, output[filters]))
    counts = Counter()
    for plan in plans:
        counts.update(plan.work.counts)
    work = SimpleNamespace(
        steps=[step for plan in plans for step in plan.work.steps],
        counts=counts,
        used=set().union(*(plan.work.used for plan in plans)),
        sums=[plane for plan in plans for plane in plan.work.sums],
    )
    waits = [wait for plan in plans for wait in [True, *plan.waits[1:]]]
    found = SimpleNamespace(
        work=work,
        inputs=[size for plan in plans for size in plan.inputs],
        waits=[False, *waits[1:]],
        streamed=any(plan.streamed for plan in plans),
        strips=[strip for plan in plans for strip in plan.strips],
    )
    found.cost = dram_cycles(timed(found), spec)
    return found


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
