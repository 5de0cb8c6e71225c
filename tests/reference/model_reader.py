"""A reader of compressed models, written from docs/format.md alone: plain Python, slow."""

import gzip
import json
import math
from pathlib import Path

PRECISION = 24
STATE = (1 << 64) - 1


class Range:
    """The range coder of words of 32 bits."""

    def __init__(self, words):
        self.words, self.next = words, 2
        first, second = [*words, 0, 0][:2]
        self.lower, self.range, self.point = 0, STATE, first << 32 | second

    def symbols(self, probabilities, count):
        free = (1 << PRECISION) - len(probabilities)
        scale, total, left = free / sum(probabilities), 0.0, []
        for slack, probability in enumerate(probabilities):
            left.append(int(total * scale) + slack)
            total += probability
        left.append(1 << PRECISION)
        return [self.symbol(left) for _ in range(count)]

    def symbol(self, left):
        scale = self.range >> PRECISION
        quantile = ((self.point - self.lower) & STATE) // scale
        found = max(n for n in range(len(left) - 1) if left[n] <= quantile)
        self.lower = (self.lower + scale * left[found]) & STATE
        self.range = scale * (left[found + 1] - left[found])
        if self.range < 1 << 32:
            word = self.words[self.next] if self.next < len(self.words) else 0
            self.next += 1
            self.lower = self.lower << 32 & STATE
            self.range = self.range << 32 & STATE
            self.point = (self.point << 32 & STATE) | word
        return found


class Bytes:
    """Bytes that are read from the front."""

    def __init__(self, data):
        self.data, self.place = data, 0

    def take(self, count):
        self.place += count
        return self.data[self.place - count : self.place]

    def number(self):
        value, shift = 0, 0
        while True:
            (byte,) = self.take(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def words(self, count):
        return [int.from_bytes(self.take(4), "little") for _ in range(count)]


def bits(data):
    return [byte >> n & 1 for byte in data for n in range(8)]


def plain(data, count):
    width = data.take(1)[0]
    if width == 255:
        return coded(data, count)
    shift = data.take(1)[0]
    row = bits(data.take(-(-count * width // 8)))
    values = []
    for n in range(count):
        digits = row[n * width : (n + 1) * width]
        value = sum(bit << k for k, bit in enumerate(digits))
        values.append((value - (digits[-1] << width if width else 0)) << shift)
    return values


def coded(data, count):
    low, size = -data.number(), data.number()
    counts = [data.number() for _ in range(size)]
    words = data.words(data.number())
    if sum(each > 0 for each in counts) == 1:
        return [low + max(range(size), key=counts.__getitem__)] * count
    total = sum(counts)
    return [low + s for s in Range(words).symbols([each / total for each in counts], count)]


def flat(data, count):
    form = data.data[data.place]
    if form == 254:
        data.take(1)
        signs = coefficients(Bytes(data.take(data.number())), "entropy", 1, count, 1)
        sizes = iter(plain(data, sum(map(abs, signs))))
        return [sign and sign * (next(sizes) + 65) for sign in signs]
    if form == 253:
        data.take(1)
        values = plain(data, data.number())
        return [values[place] for place in plain(data, count)]
    return plain(data, count)


def integers(data, count):
    if data.data[data.place] != 252:
        return flat(data, count)
    data.take(1)
    twice, size = data.number(), data.number()
    length, across = twice >> 1, twice & 1
    lines, per_line = count // length, -(-length // size)
    mask = plain(data, lines * per_line)
    inside = [mask[i * per_line + j // size] != 0 for i in range(lines) for j in range(length)]
    found = iter(flat(data, sum(inside)))
    values = [next(found) if each else 0 for each in inside]
    if not across:
        return values
    return [values[i * length + j] for j in range(length) for i in range(lines)]


def signed(mask, signs):
    left = iter(signs)
    return [each and 1 - 2 * next(left) for each in mask]


def coefficients(data, coding, k, c, m):
    """In the order of the coding: by kernel, or as they are."""
    count = k * c * m
    if coding == "two_bit":
        row = bits(data.data)
        return [(0, 1, None, -1)[row[2 * n] | row[2 * n + 1] << 1] for n in range(count)]
    if coding == "bitmap":
        row = bits(data.data)
        return signed(row[:count], row[count:])
    if coding == "two_level":
        size = 1 << data.take(1)[0]
        row, number = bits(data.data[1:]), -(-count // size)
        mask, place = [], number
        for used in row[:number]:
            mask += row[place : place + size] if used else [0] * size
            place += size * used
        return signed(mask[:count], row[place:])
    if coding == "run_length":
        return by_gaps(data, count)
    counts = [data.number() for _ in range(m)]
    nonzeros, size = sum(counts), k * c
    end = len(data.data) - -(-nonzeros // 8)
    coder = Range(data.words((end - data.place) // 4))
    mask = []
    for each in counts:
        share = each / size
        alike = each in (0, size)
        mask += [int(each > 0)] * size if alike else coder.symbols([1 - share, share], size)
    return signed(mask, bits(data.data[end:]))


def by_gaps(data, count):
    width, number = data.take(1)[0], data.number()
    codes = data.take(-(-number * width // 8))
    gaps = list(codes) if width == 8 else [h for code in codes for h in (code & 15, code >> 4)]
    mask, most = [], (1 << width) - 1
    for gap in gaps[:number]:
        mask += [0] * gap + ([] if gap == most else [1])
    mask += [0] * (count - len(mask))
    return signed(mask, bits(data.data[data.place :]))


def read(folder):
    """By layer the integers of a model, in flat lists, and the manifest."""
    manifest = json.loads(gzip.decompress((Path(folder) / "manifest.json.gz").read_bytes()))
    content = (Path(folder) / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    first, last = json.loads(content[8:start])["layers"]["data_offsets"]
    data = Bytes(content[start + first : start + last])
    layers, shapes = {}, []
    for n, node in enumerate(manifest["nodes"]):
        if "kernel" not in node:
            shapes.append(node["shape"])
            continue
        (source,) = node.get("inputs", [n - 1])
        layers[node["name"]], shape = layer(data, node, shapes[source])
        shapes.append(shape)
    assert data.place == len(data.data)
    return layers, manifest


def layer(data, node, operand):
    kernel = node["kernel"]
    k, r, s, groups = kernel["K"], kernel.get("R", 1), kernel.get("S", 1), kernel.get("groups", 1)
    c, m, found = operand[0] // groups, node.get("basis", 1), {}
    if "payload" in node:
        coding = node.get("coding", "entropy")
        values = coefficients(Bytes(data.take(node["payload"])), coding, k, c, m)
        if coding not in ("two_bit", "bitmap"):  # kernel by kernel: M is the slowest axis there
            values = [values[j * k * c + i] for i in range(k * c) for j in range(m)]
        found["coefficients"] = values
    else:
        found["weights"] = integers(data, k * c * r * s)
    if "basis" in node:
        found["basis"] = integers(data, m * r * s)
    if node.get("alpha"):
        found["alpha"] = integers(data, k * m)
    found["multiplier"], found["bias"] = integers(data, k), integers(data, k)
    top, bottom, left, right = kernel.get("padding", (0, 0, 0, 0))
    steps = [kernel.get(field, 1) for field in ("stride", "dilation")]
    strides, dilations = (each if isinstance(each, list) else [each, each] for each in steps)
    high = (operand[1] + top + bottom - dilations[0] * (r - 1) - 1) // strides[0] + 1
    wide = (operand[2] + left + right - dilations[1] * (s - 1) - 1) // strides[1] + 1
    assert math.prod((k, high, wide)) > 0
    return found, [k, high, wide]
