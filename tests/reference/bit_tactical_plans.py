"""Which plan the slow Bit-Tactical takes: each is run, timed and priced."""

from copy import copy

import numpy as np

from tests.reference import plans
from tests.reference.plans import cut, few_counts, part_counts, up


class Planned:
    """A layer whose sets, passes and schedules are known."""

    def blocks_of(self, windows):
        """Windows in blocks of whole pallets for all copies, or in parts of that."""
        pallet = self.copies * self.at_once()
        for count in part_counts(up(len(windows), pallet)):
            groups = cut(range(up(len(windows), pallet)), count)
            yield [windows[g[0] * pallet : (g[-1] + 1) * pallet] for g in groups]
        for count in few_counts(pallet)[1:]:
            size = up(pallet, count)
            yield [windows[low : low + size] for low in range(0, len(windows), size)]

    def plans(self, images):
        """(steps of a piece, pieces, blocks, whether the input stays) that fit half of each."""
        layer, spec = self.layer, self.spec
        filters = max(sum(len(self.sets[s][1]) for s in members) for members in self.passes)
        depth = max(len(self.pass_channels(members)) for members in self.passes)
        pixel, half = depth * spec.operand_bits // 8, spec.activation_bytes // 2
        stays = len(images) * layer.H * layer.W * pixel <= half
        each = layer.P * layer.Q
        windows = range(images[0] * each, (images[-1] + 1) * each)
        for count in part_counts(self.most):
            piece = up(self.most, count)
            pieces = up(self.most, piece)
            word = up(spec.psum_bits, 8) if pieces > 1 else spec.operand_bits // 8
            if piece * self.row > spec.weight_bytes // spec.tiles // 2:
                continue
            for blocks in self.blocks_of(windows):
                lines = max(len(self.lines(block)) for block in blocks) * layer.W * pixel
                outputs = max(map(len, blocks)) * filters * word
                if outputs <= spec.output_bytes // 2 and (stays or lines <= half):
                    yield piece, pieces, blocks, stays

    def priced(self, plan):
        """Cost of a plan, from a trial run of it."""
        trial = self.fresh()
        trial.execute_plan(plan)
        trace = trial.trace
        loads = zip(trace.loads["input"], trace.loads["weight"], strict=True)
        stores = ((size,) for size in trace.stores["output"])
        steps = list(zip(loads, stores, trace.lengths, strict=True))
        return plans.cost(steps, self.spec), plan

    def fresh(self):
        """The same layer and machine, nothing done yet."""
        other = copy(self)
        other.trace = type(self.trace)(np.zeros_like(self.trace.psums))
        return other

    def least(self, image):
        """DRAM bytes of the tensors of one image, each once."""
        each, before, inputs = self.layer.P * self.layer.Q, None, 0
        windows = range(image * each, (image + 1) * each)
        lines = set().union(*(self.lines([at]) for at in windows))
        for members in self.passes:
            channels = self.pass_channels(members)
            if channels != before:
                inputs += sum(self.line_bytes(line, channels) for line in lines)
            before = channels
        weights = sum(self.weight_bits(s, self.left[s]) for s in range(len(self.sets)))
        everything = [s for members in self.passes for s in members]
        sizes = inputs, up(weights, 8), up(self.output_bits(everything, windows), 8)
        return plans.dram_bytes([(sizes, (), 0)], self.spec)

    def chosen(self):
        """Plans of all images together, or of each."""
        everyone = range(self.images)
        alone = [
            min(map(self.priced, self.plans([image])), key=lambda entry: entry[0])
            for image in everyone
        ]
        together = map(self.priced, self.plans(everyone)) if self.images > 1 else ()
        least = sum(map(self.least, everyone))
        return plans.together_or_alone(alone, together, least, self.spec)
