"""The plans of the slow SCNN: tiles, strips and groups of filters, from lists of integers."""

from itertools import pairwise
from types import SimpleNamespace


def up(a, b):
    """a / b, rounded up."""
    return -(-a // b)


def axis(size, taps, outputs, edges, steps, part, pes, tiling):
    """Inputs, owned outputs and range of made outputs of every tile along one side.

    edges : zeros before and after; steps : stride and dilation of this direction
    """
    (before, after), (stride, dilation) = edges, steps

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
    if layer.is_linear:
        one = axis(1, 1, 1, (0, 0), (1, 1), (0, 1), 1, spec.tiling)
        return SimpleNamespace(rows=one, columns=one, area=1)
    v, h = zip(layer.strides, layer.dilations, strict=True)
    high, wide = layer.padding[:2], layer.padding[2:]
    down = axis(layer.H, layer.R, layer.P, high, v, rows, spec.pe_rows, spec.tiling)
    across = axis(layer.W, layer.S, layer.Q, wide, h, columns, spec.pe_columns, spec.tiling)
    area = up(rows[1] - rows[0], spec.pe_rows) * up(columns[1] - columns[0], spec.pe_columns)
    return SimpleNamespace(rows=down, columns=across, area=area)


def cut(total, size):
    return [range(k, min(k + size, total)) for k in range(0, total, size)]


def spans(outputs, pes, parts):
    """Parts of whole rows of tiles, all PEs a row."""
    rows = up(outputs, pes)
    ends = [min(outputs, rows * i // parts * pes) for i in range(parts + 1)]
    return list(pairwise(ends))


def named(layer, spec):
    """The plan that the fields name: strips of rows, and groups of filters."""
    if layer.is_linear:
        strips, area = [make_strip(layer, spec, None, None)], 1
    else:
        for count in range(1, layer.P // min(layer.P, spec.pe_rows) + 1):
            rows = cut(layer.P, up(layer.P, count))
            parts = [(part.start, part.stop) for part in rows]
            strips = [make_strip(layer, spec, part, (0, layer.Q)) for part in parts]
            area = max(strip.area for strip in strips)
            if spec.filters_per_group not in ("fit", "most") or area <= spec.accumulator_entries:
                break
        else:
            raise AssertionError("refused")
    most = spec.filters_per_group
    if most in ("fit", "most"):
        share = up(layer.K, spec.pes) if layer.is_linear else layer.K
        most = min(share, max(1, spec.accumulator_entries // area))
    return strips, cut(layer.K, min(layer.K, most))


def grids(layer, spec):
    """The ways to cut the plane, each a list of strips."""
    if layer.is_linear:
        return [[make_strip(layer, spec, None, None)]]
    down, across = up(layer.P, spec.pe_rows), up(layer.Q, spec.pe_columns)
    found = []
    for n in range(max(down, across)):
        high, wide = min(2**n, down), min(2**n, across)
        rows, columns = spans(layer.P, spec.pe_rows, high), spans(layer.Q, spec.pe_columns, wide)
        found.append([make_strip(layer, spec, row, column) for row in rows for column in columns])
        if high == down and wide == across:
            return found
    raise AssertionError("never")


def sizes(most):
    """All, then ... 128, 32, 8, 2 filters, or layer groups."""
    return [most] + [size for size in (512, 128, 32, 8, 2) if size < most]


def groupings(layer):
    """The ways to group the filters, each a list of ranges, the largest first."""
    per = layer.K // layer.groups
    found = [cut(layer.K, per * n) for n in [*sizes(layer.groups), 1]]
    for n in sizes(per)[1:]:
        inner = cut(per, n)
        found.append(
            [
                range(g * per + each.start, g * per + each.stop)
                for g in range(layer.groups)
                for each in inner
            ]
        )
    return [each for i, each in enumerate(found) if each not in found[:i]]


def all_plans(layer, spec):
    """Strips and groups of all plans that fit the accumulators."""
    if spec.tiling != "output" or spec.filters_per_group != "fit":
        return [named(layer, spec)]
    if layer.is_linear:
        share = up(layer.K, spec.pes)
        ways = [cut(layer.K, size) for size in sizes(share)]
    else:
        ways = groupings(layer)
    cuts = grids(layer, spec)

    def psums(i, j):
        return max(strip.area for strip in cuts[i]) * max(map(len, ways[j]))

    def enough(i, j):  # half of the smallest accumulators holds it already
        return min(i, j) >= 0 and psums(i, j) <= 16

    return [
        (cuts[i], ways[j])
        for i in range(len(cuts))
        for j in range(len(ways))
        if psums(i, j) <= spec.accumulator_entries and not enough(i - 1, j) and not enough(i, j - 1)
    ]
