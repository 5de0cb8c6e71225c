"""What the slow SparTen works on: chunks, masks, filter groups, bytes and lines, all by hand."""

from dataclasses import dataclass, replace
from itertools import pairwise

from tests.reference.plans import up


@dataclass(frozen=True)
class Filters:
    """A filter group: its filters in order, how they are balanced, and the chunks of a pass."""

    group: int
    filters: tuple
    chunks: tuple
    balance: str
    number: int = 0
    passes: int = 1


class Layout:
    """One layer as the machine stores it."""

    def __init__(self, layer, activations, weights, outputs, spec):
        self.layer, self.x, self.w, self.y, self.spec = layer, activations, weights, outputs, spec
        self.images = activations.shape[0]
        self.depth = layer.C // layer.groups
        self.per_group = layer.K // layer.groups
        self.cut = self._chunks()
        self.known = {}

    def once(self, what, *key):
        """The value of a pure method, worked out once."""
        if (what, *key) not in self.known:
            self.known[what, *key] = getattr(self, what)(*key)
        return self.known[what, *key]

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
        row = p * self.layer.strides[0] - self.layer.padding[0] + r * self.layer.dilations[0]
        column = q * self.layer.strides[1] - self.layer.padding[2] + s * self.layer.dilations[1]
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
        sizes = [self.once("filter_bytes", k, c) for k in part.filters for c in part.chunks]
        return sum(size + pointer for size in sizes)

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

    # Filters to filter groups, their filters to units.

    def filter_groups(self, balance):
        """Filter groups balanced in one way, all chunks in one pass."""
        units, every = self.spec.units_per_cluster, tuple(range(len(self.cut)))
        size = units if balance == "none" else 2 * units
        found = []
        for group in range(self.layer.groups):
            own = list(range(group * self.per_group, (group + 1) * self.per_group))
            if balance != "none":
                own.sort(key=lambda k: -sum(self.once("nonzeros", k, c) for c in every))
            for low in range(0, len(own), size):
                found.append(Filters(group, tuple(own[low : low + size]), every, balance))
        return found

    def units(self, part, chunk):
        """Which filters each unit has at a chunk: a list of lists.

        The densest filters are alone; the others are paired, densest with sparsest.
        """
        chosen, pairs = list(part.filters), len(part.filters) - self.spec.units_per_cluster
        if pairs <= 0:
            return [[k] for k in chosen]
        alone, rest = chosen[: len(chosen) - 2 * pairs], chosen[len(chosen) - 2 * pairs :]
        if part.balance == "hardware":
            rest.sort(key=lambda k: -self.once("nonzeros", k, chunk))
        return [[rest[i], rest[-1 - i]] for i in range(pairs)] + [[k] for k in alone]

    def in_passes(self, part, count):
        """The chunks of a filter group in so many runs."""
        edges = [i * len(part.chunks) // count for i in range(count + 1)]
        return [
            replace(part, chunks=part.chunks[low:high], number=number, passes=count)
            for number, (low, high) in enumerate(pairwise(edges))
        ]

    # What outputs and lines take.

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

    def pieces(self, block):
        """Chunks of the input's channels that a block reads."""
        channels = set()
        for part in block:
            channels.update(range(part.group * self.depth, (part.group + 1) * self.depth))
        return frozenset(c // self.spec.chunk for c in channels)

    def lines(self, rows):
        """Input lines from the first to the last that some output rows of all images need."""
        found = []
        for row in rows:
            image, p = divmod(row, self.layer.P)
            for r in range(self.layer.R):
                y = p * self.layer.strides[0] - self.layer.padding[0] + r * self.layer.dilations[0]
                found.append(image * self.layer.H + min(max(y, 0), self.layer.H - 1))
        return set(range(min(found), max(found) + 1))

    def input_bytes(self, lines, pieces):
        return sum(self.once("line_bytes", line, piece) for line in lines for piece in pieces)

    def positions(self, run):
        return [(*divmod(row, self.layer.P), q) for row in run for q in range(self.layer.Q)]

    def store_bytes(self, run, some):
        """Bytes of the outputs of a step."""
        spec, filters = self.spec, [k for part in some for k in part.filters]
        if some[-1].number + 1 < some[-1].passes:
            return 0
        if self.y is None or spec.skip not in ("both", "activations"):
            return len(self.positions(run)) * len(filters) * spec.operand_bytes
        total = 0
        for image, p, q in self.positions(run):
            values = sum(self.y[image, k, p, q] != 0 for k in filters)
            pointers = up(len(filters), spec.chunk) * spec.pointer_bytes
            total += int(values) * spec.operand_bytes + up(len(filters), 8) + pointers
        return total
