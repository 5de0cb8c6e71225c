"""Passes + spec -> the plan of a layer: the one with the fewest cycles, then DRAM bytes.

Assumption throughout:

- First the weights of a pass are written, a row of cells of all crossbars at once, in steps of so
  many rows as fit half the weight buffer.  A layer of one pass may have been written beforehand.
- Then outputs pass in raster order, in blocks: they and their psums fit half the output buffer,
  the input lines under them half the input buffer.  Every copy takes one output: for each digit
  and each set of rows driven together one beat, in which cells are read and the columns of the
  beat before are converted.
- Input channels without a row in a pass are not loaded for it.  An input that fits half the
  buffer stays for the passes after.  Which rows and columns stand where is configuration; its
  bits are not counted.
- To choose from are the steps in which weights are written and the blocks of outputs, the same
  numbers for all passes; waits for DRAM count.  The images of a batch share what is written, or
  go one by one as each would alone, whichever takes fewer cycles, then fewer bytes.

Rules: specification/crossbar.md, XBR-8 to XBR-10.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arch.crossbar.layout import Layout
from arch.crossbar.passes import Pass, passes
from arch.crossbar.spec import CrossbarSpec
from arch.cuts import cut
from arch.errors import OperandError
from arch.lines import lines_under
from arch.parts import cheapest, few_counts, one_by_one, parts, price_of
from arch.steps import Steps

TENSORS = {"loads": ("input", "weight", "psum"), "stores": ("output", "psum")}


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """The output pixels of a pass in blocks.

    Parameters
    ----------
    sizes : int64 (blocks,), output pixels
    turns : int64 (blocks,), turns of the copies
    fresh : int64 (blocks,), input pixels that the block before did not hold
    most : output pixels of the largest block
    rounds : turns of all blocks
    pixels : input pixels under a block at most
    """

    sizes: np.ndarray
    turns: np.ndarray
    fresh: np.ndarray
    most: int
    rounds: int
    pixels: int


@dataclass(frozen=True, slots=True)
class Choice:
    """Steps in which each pass is written at most, and the blocks of each pass."""

    writes: int
    blocks: tuple[Blocks, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How some images run; ``images`` first and last + 1."""

    layout: Layout
    images: slice
    passes: tuple[Pass, ...]
    choice: Choice
    steps: Steps

    @property
    def outputs(self) -> int:
        """Output pixels of these images."""
        return (self.images.stop - self.images.start) * self.layout.layer.P * self.layout.layer.Q

    def rounds(self, number: int) -> int:
        """Turns of the copies of a pass, all blocks."""
        return self.choice.blocks[number].rounds


class Planner:
    """Plans of some images of one layer."""

    def __init__(self, found: Layout, spec: CrossbarSpec, images: slice) -> None:
        layer, self.spec, self.layout, self.images = found.layer, spec, found, images
        count = images.stop - images.start
        self.outputs = count * layer.P * layer.Q
        self.first = images.start * layer.P * layer.Q
        self.passes = passes(found, spec, self.outputs)
        size = count * layer.H * layer.W * sum(part.fresh for part in self.passes)
        self.stays = size * spec.operand_bytes <= spec.input_bytes // 2
        self.tall = max(part.tall for part in self.passes)
        self._cut: dict[tuple[int, int, bool], Blocks] = {}
        self._written: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}

    def _refuse(self, what: str, buffer: str, need: int) -> OperandError:
        half = getattr(self.spec, f"{buffer}_bytes") // 2
        return OperandError(
            f"{self.layout.layer.name}: {what} needs {need} B of the {buffer} buffer, half of "
            f"{buffer}_bytes holds {half} B"
        )

    def _all_blocks(self) -> Iterator[tuple[Blocks, ...]]:
        """Blocks of whole turns of the copies, then of fewer outputs than there are copies."""
        turns = max(-(-self.outputs // part.copies) for part in self.passes)
        for count in few_counts(turns):
            yield tuple(self._blocks(part.copies, count, False) for part in self.passes)
        for count in few_counts(max(part.copies for part in self.passes))[1:]:
            yield tuple(self._blocks(part.copies, count, True) for part in self.passes)

    def _blocks(self, copies: int, count: int, short: bool) -> Blocks:
        """``count`` blocks of whole turns; or so many blocks to a turn, if ``short``."""
        key = copies, count, short
        if key not in self._cut:
            whole = -(-self.outputs // copies)
            if short:
                bounds = cut(self.outputs, -(-copies // count))
            else:
                bounds = np.minimum(parts(whole, min(count, whole)) * copies, self.outputs)
            sizes, under = np.diff(bounds), lines_under(self.layout.layer, self.first + bounds)
            turns, pixels = -(-sizes // copies), int(under.sizes().max())
            most, rounds = int(sizes.max()), int(turns.sum())
            self._cut[key] = Blocks(sizes, turns, under.fresh(), most, rounds, pixels)
        return self._cut[key]

    def _needs(self, blocks: tuple[Blocks, ...]) -> tuple[int, int]:
        """Bytes that blocks need of half the output and of half the input buffer."""
        spec = self.spec
        each = list(zip(self.passes, blocks, strict=True))
        outputs = max(own.most * part.output_bytes(spec) for part, own in each)
        inputs = max(own.pixels * part.channels for part, own in each) * spec.operand_bytes
        return outputs, 0 if self.stays else inputs

    def choices(self) -> list[Choice]:
        """All that fit, in an order that no buffer changes.

        Raises
        ------
        OperandError
            If the least that a step can work on exceeds half a buffer; names layer, buffer, bytes.
        """
        spec, counts = self.spec, few_counts(self.tall) if self.tall else (1,)
        rows = [(count, self._row_bytes(count)) for count in counts]
        writes = [count for count, size in rows if size <= spec.weight_bytes // 2]
        if not writes:
            raise self._refuse("one row of all tiles of a pass", "weight", rows[-1][1])
        priced = [(blocks, self._needs(blocks)) for blocks in self._all_blocks()]
        narrow = [one for one in priced if one[1][0] <= spec.output_bytes // 2]
        if not narrow:
            raise self._refuse("one output pixel", "output", min(need for _, (need, _) in priced))
        fitting = [blocks for blocks, (_, need) in narrow if need <= spec.input_bytes // 2]
        if not fitting:
            least = min(need for _, (_, need) in narrow)
            raise self._refuse("the lines of one output pixel", "input", least)
        return [Choice(count, blocks) for count in writes for blocks in fitting]

    def _row_bytes(self, writes: int) -> int:
        return max(-(-part.tall // writes) * part.row_bytes for part in self.passes)

    def written(self, writes: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each pass: rows of each step that writes, and their bytes; int64 (steps,)."""
        if writes not in self._written:
            self._written[writes] = [self._write(part, writes) for part in self.passes]
        return self._written[writes]

    def _write(self, part: Pass, writes: int) -> tuple[np.ndarray, np.ndarray]:
        if not part.tall:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        bounds = parts(part.tall, min(writes, part.tall))
        inside = np.minimum(bounds[:, None], self.layout.rows[part.tiles])
        return np.diff(bounds), np.diff(inside, axis=0) @ self.layout.columns[part.tiles]

    def bound(self, choice: Choice) -> int:
        """Cycles that a choice cannot beat: its first load, all work, its last store."""
        spec, latency = self.spec, self.spec.dram_latency_cycles
        each = zip(choice.blocks, self.passes, strict=True)
        work = sum(blocks.rounds * part.turn for blocks, part in each)
        work += sum(part.tall for part in self.passes) * spec.write_cycles
        first = self.written(choice.writes)[0][1]
        loaded = int(first[0]) if first.size else 0
        transfer = -(-loaded * spec.clock_hz // spec.dram_bandwidth_bytes_per_s)
        return work + latency + (latency if loaded else 0) + transfer

    def steps(self, choice: Choice) -> Steps:
        """Every pass: its rows are written, then its blocks of outputs pass."""
        spec, lengths = self.spec, []
        moved: dict[tuple[str, str], list[np.ndarray]] = {
            (side, name): [] for side, names in TENSORS.items() for name in names
        }
        each = zip(self.passes, self.written(choice.writes), choice.blocks, strict=True)
        for part, (rows, weights), blocks in each:
            sizes, before = blocks.sizes, np.zeros(rows.size, np.int64)
            lengths += [rows * spec.write_cycles, blocks.turns * part.turn]
            channels = part.fresh if self.stays else part.channels
            for key, size in (
                (("loads", "input"), blocks.fresh * (channels * spec.operand_bytes)),
                (("loads", "psum"), sizes * (part.resumed * spec.psum_bytes)),
                (("stores", "output"), sizes * (part.done * spec.operand_bytes)),
                (("stores", "psum"), sizes * (part.waiting * spec.psum_bytes)),
            ):
                moved[key] += [before, size]
            moved["loads", "weight"] += [weights, 0 * sizes]
        loads, stores = (
            {name: np.concatenate(moved[side, name]) for name in names}
            for side, names in TENSORS.items()
        )
        return Steps(np.concatenate(lengths), loads, stores)

    def best(self) -> tuple[tuple[int, int], Plan]:
        """Cycles and bytes of the cheapest plan, and the plan."""
        bounded = ((self.bound(choice), choice) for choice in self.choices())
        found = cheapest(bounded, lambda choice: price_of(self.steps(choice), self.spec))
        assert found is not None  # there is a choice, or it was refused
        cost, choice = found
        return cost, Plan(self.layout, self.images, self.passes, choice, self.steps(choice))


def plan(found: Layout, spec: CrossbarSpec, images: int) -> tuple[Plan, ...]:
    """The plan of all images together, or one of each.

    Raises
    ------
    OperandError
        If the least that a step can work on exceeds half a buffer; names layer, buffer, bytes.
    """
    cost, together = Planner(found, spec, slice(0, images)).best()
    if images == 1:
        return (together,)
    # what a layer takes does not depend on the image: each alone does what the first does
    alone, one = Planner(found, spec, slice(0, 1)).best()
    if cost <= (images * alone[0], images * alone[1]):
        return (together,)
    return (one,) * images


def all_steps(plans: tuple[Plan, ...]) -> Steps:
    """Steps of all plans, one plan after the other."""
    return one_by_one([each.steps for each in plans])
