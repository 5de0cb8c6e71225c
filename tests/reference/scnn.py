"""The slow SCNN: lists of integers multiplied block by block, psums in dictionaries, plain loops.

Written from the description of the machine (arch/scnn/plan.py names the assumptions), not from its
closed forms.  ``spec`` is only read field by field.
"""

from collections import Counter
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
    if tiling == "output":
        t = up(part[1] - part[0], pes)
        count = up(part[1] - part[0], t)
        firsts = [(part[0] + i * t) * stride for i in range(count)]
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


def make_strip(layer, spec, part):
    top, bottom, left, right = layer.padding
    if layer.is_linear:
        rows = axis(1, 1, 1, 0, 0, layer, (0, 1), 1, spec.tiling)
        columns = axis(1, 1, 1, 0, 0, layer, (0, 1), 1, spec.tiling)
        limit, most = up(layer.K, spec.pes), spec.accumulator_entries
    else:
        rows = axis(layer.H, layer.R, layer.P, top, bottom, layer, part, spec.pe_rows, spec.tiling)
        columns = axis(
            layer.W, layer.S, layer.Q, left, right, layer, (0, layer.Q), spec.pe_columns,
            spec.tiling,
        )  # fmt: skip
        area = up(part[1] - part[0], spec.pe_rows) * up(layer.Q, spec.pe_columns)
        limit, most = layer.K, spec.accumulator_entries // area
    if spec.filters_per_group != "fit":
        most = spec.filters_per_group
    filters = min(limit, most)
    if filters == 0:
        return None
    groups = [range(k, min(k + filters, layer.K)) for k in range(0, layer.K, filters)]
    at_once = spec.pes if layer.is_linear else 1
    steps = [groups[i : i + at_once] for i in range(0, len(groups), at_once)]
    return SimpleNamespace(rows=rows, columns=columns, steps=steps)


def tile_values(plane, rows, columns):
    return [plane[y][x] for y in rows for x in columns]


def input_entries(image, strip, spec):
    """Entries of each tile, all channels."""
    return [
        sum(run_of_zeros(tile_values(plane, row.inputs, column.inputs), spec) for plane in image)
        for row in strip.rows.tiles
        for column in strip.columns.tiles
    ]


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


def choose(layer, spec, activations, weights):
    """Strips, and whether their input is streamed and fits as a whole."""
    linear = layer.is_linear

    def need(image, strip):
        entries = input_entries(image, strip, spec)
        return [entry_bytes(up(e, spec.pes) if linear else e, spec) for e in entries]

    def fits(strips):
        return all(
            max(need(image, strip)) <= spec.iaram_bytes // 2
            for strip in strips
            for image in activations
        )

    def read(strips):
        inputs = [entry_bytes(sum(input_entries(activations[0], s, spec)), spec) for s in strips]
        loads = [sum(weight_bytes(layer, weights, step, spec) for step in s.steps) for s in strips]
        return inputs, loads

    options = []
    for count in range(1, max(1, layer.P // min(layer.P, spec.pe_rows)) + 1):
        height = up(layer.P, count)
        parts = [(p, min(p + height, layer.P)) for p in range(0, layer.P, height)]
        strips = [make_strip(layer, spec, part) for part in parts]
        if all(strips) and (not options or len(options[-1]) != len(strips)):
            options.append(strips)
    fewest = options[0]
    if len(fewest) == 1:
        needs = [need(image, fewest[0]) for image in activations]
        if max(map(sum, zip(*needs, strict=True))) <= spec.iaram_bytes:
            return fewest, False, True
    if fits(fewest):
        return fewest, False, False
    inputs, loads = read(fewest)
    streamed = sum(size * len(s.steps) for size, s in zip(inputs, fewest, strict=True)) + sum(loads)
    for strips in options[1:]:
        if sum(inputs) + sum(loads) * len(strips) // len(fewest) > streamed:
            break
        if fits(strips):
            if sum(map(sum, read(strips))) < streamed:
                return strips, False, False
            break
    return fewest, True, False


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


def run(layer, spec, activations, weights):
    """psums by image, and everything that the machine counts."""
    strips, streamed, whole = choose(layer, spec, activations, weights)
    counts = Counter()
    steps, images = [], []
    used = set()
    per_pe = Counter()
    for image in activations:
        sums = [[[0] * layer.Q for _ in range(layer.P)] for _ in range(layer.K)]
        for strip in strips:
            entries = entry_bytes(sum(input_entries(image, strip, spec)), spec)
            for number, step in enumerate(strip.steps):
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
                        input=entries if streamed or number == 0 else 0,
                        weight=weight_bytes(layer, weights, step, spec),
                        filters=filters,
                        image=len(images),
                        strip=strip,
                    )
                )
        images.append(sums)
    wait_for_halos(steps, spec)
    cycles = sum(step.compute for step in steps)
    units = spec.pes * spec.activation_vector * spec.weight_vector
    block = spec.activation_vector * spec.weight_vector
    busy = sum(per_pe.values())
    idle = (spec.pes - len(used)) * cycles
    causes = {
        "multiply": counts["useful"],
        "outside": counts["products"] - counts["useful"],
        "fragmentation": counts["blocks"] * block - counts["products"],
        "bank_conflict": (busy - counts["starts"] - counts["blocks"]) * block,
        "channel_start": counts["starts"] * block,
        "imbalance": (spec.pes * cycles - idle - busy) * block,
        "idle_mapping": idle * block,
        "halo": units * sum(step.wait for step in steps),
    }
    return SimpleNamespace(
        psums=images, steps=steps, strips=strips, streamed=streamed, whole=whole, counts=counts,
        causes=causes, cycles=cycles, halo=sum(step.wait for step in steps),
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


def output_bytes(found, output, spec):
    """Compressed bytes of every step's outputs, real integers [image][k][p][q]."""
    sizes = []
    for step in found.steps:
        entries = 0
        for k in step.filters:
            for row in step.strip.rows.tiles:
                for column in step.strip.columns.tiles:
                    values = tile_values(output[step.image][k], row.owned, column.owned)
                    entries += run_of_zeros(values, spec)
        sizes.append(entry_bytes(entries, spec))
    return sizes
