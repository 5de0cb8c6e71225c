"""Which plan the slow SparTen takes: all of them are listed, timed and priced."""

from tests.reference import plans
from tests.reference.plans import cut, few_counts, part_counts
from tests.reference.sparten_layout import Layout


class Planned(Layout):
    """One layer and the plans of its images; a step is (rows, filter groups of a pass)."""

    def ways(self):
        """How filters may be balanced."""
        paired = self.spec.balance != "none" and self.per_group > self.spec.units_per_cluster
        return [self.spec.balance, "none"] if paired else [self.spec.balance]

    def arrangements(self):
        """Lists of blocks, a block a list of passes, a pass a list of filter groups."""
        for way in self.ways():
            groups = self.filter_groups(way)
            for count in few_counts(len(self.cut)):
                if count > 1:
                    yield [[[part] for part in self.in_passes(one, count)] for one in groups]
                    continue
                for blocks in part_counts(len(groups)):
                    yield [[some] for some in cut(groups, blocks)]

    def room(self, blocks, runs):
        """Whether filters, outputs and input lines fit half of each buffer."""
        spec = self.spec
        filters = max(sum(map(self.stored_filters, some)) for block in blocks for some in block)
        flat = [[part for some in block for part in some] for block in blocks]
        rows = max(map(len, runs)) * self.layer.Q
        outputs = rows * max(map(self.block_bytes, flat))
        pieces = {self.pieces(block) for block in flat}
        inputs = max(self.input_bytes(self.lines(run), some) for run in runs for some in pieces)
        return (
            filters <= spec.filter_glb_bytes // 2
            and outputs <= spec.output_glb_bytes // 2
            and inputs <= spec.input_glb_bytes // 2
        )

    def plans(self, images):
        """Lists of steps that fit, for the rows of some images."""
        rows = [image * self.layer.P + p for image in images for p in range(self.layer.P)]
        for blocks in self.arrangements():
            for count in part_counts(len(rows)):
                runs = cut(rows, count)
                if self.room(blocks, runs):
                    yield [(run, some) for block in blocks for run in runs for some in block]
                    if min(len(blocks), count) > 1:  # else both orders are one
                        yield [(run, some) for run in runs for block in blocks for some in block]

    def loads(self, steps):
        """(input bytes, weight bytes) of each step."""
        found, before = [], None
        for run, some in steps:
            pieces, lines = self.pieces(some), self.lines(run)
            fresh = set(lines)
            if before is not None and self.pieces(before[1]) == pieces:
                fresh -= self.lines(before[0])
            filters = 0
            if before is None or before[1] != some:
                filters = sum(map(self.stored_filters, some))
            found.append((self.input_bytes(fresh, pieces), filters))
            before = (run, some)
        return found

    # Time, without doing the work.

    def matches(self, k, chunk, group, position):
        return sum(
            self.weight_bit(k, at) and self.value_bit(position, group, at) for at in self.cut[chunk]
        )

    def unit_cycles(self, part, chunk, position):
        """Cycles of each unit for one chunk."""
        load = self.spec.load_cycles
        return [
            max(load, sum(self.once("matches", k, chunk, part.group, position) for k in filters))
            for filters in self.units(part, chunk)
        ]

    def output_time(self, part, position):
        """A cluster's time for one output position, clusters running on their own."""
        chunks = [self.unit_cycles(part, chunk, position) for chunk in part.chunks]
        if self.spec.sync == "broadcast":
            return sum(map(max, chunks))
        return max(map(sum, zip(*chunks, strict=True)))

    def line_time(self, part, row):
        """Time of all clusters for one output row, in step after each chunk."""
        line, total = self.positions([row]), 0
        for low in range(0, len(line), self.spec.clusters):
            tile = line[low : low + self.spec.clusters]
            for chunk in part.chunks:
                total += max(max(self.unit_cycles(part, chunk, at)) for at in tile)
        return total

    def length(self, run, some):
        if self.spec.sync == "chunk":
            return sum(self.once("line_time", part, row) for part in some for row in run)
        pairs = [(part, position) for part in some for position in self.positions(run)]
        clusters = [0] * self.spec.clusters
        for turn, pair in enumerate(pairs):
            clusters[turn % len(clusters)] += self.once("output_time", *pair)
        return max(clusters)

    def priced(self, steps):
        """Cost of a plan."""
        timed = [
            (loads, [self.once("store_bytes", tuple(run), tuple(some))], self.length(run, some))
            for loads, (run, some) in zip(self.loads(steps), steps, strict=True)
        ]
        return plans.cost(timed, self.spec), steps

    def least(self, image):
        """Bytes of the tensors of one image, each once."""
        rows = [image * self.layer.P + p for p in range(self.layer.P)]
        groups = self.filter_groups("none")
        pieces = set().union(*(self.pieces([part]) for part in groups))
        lines = set().union(*(self.lines([row]) for row in rows))
        sizes = (
            self.input_bytes(lines, pieces),
            sum(map(self.stored_filters, groups)),
            self.store_bytes(rows, groups),
        )
        return plans.dram_bytes([(sizes, (), 0)], self.spec)

    def chosen(self):
        """Lists of steps: of all images together, or of each."""
        alone = [
            min(map(self.priced, self.plans([image])), key=lambda entry: entry[0])
            for image in range(self.images)
        ]
        together = map(self.priced, self.plans(range(self.images))) if self.images > 1 else ()
        least = sum(map(self.least, range(self.images)))
        return plans.together_or_alone(alone, together, least, self.spec)
