"""Steps of a layer: which output rows and which tasks, the DRAM of each, and how long it takes.

The shared buffers are double buffered: one half serves the step at work.  Output rows of all
images, in order, are cut into the longest runs whose input lines fit half the input buffer and
whose outputs fit half the output buffer; tasks of one pass are put together as long as they fit
half the filter buffer.  Either the filters stay while the rows pass, or the rows stay while the
filters pass, whichever loads fewer bytes (filters, if equal); the passes of one filter group stand
next to each other.

Assumption, all of it: a tensor is stored pixel by pixel (inputs and outputs, along all their
channels) or filter by filter, each chunk as mask, values and pointer; the last chunk's mask
is as long as the chunk, in whole bytes.  A step loads whole input lines, of those chunks of
channels that its convolution groups read, and only lines that the step before did not hold.  A
step's outputs are stored as chunks of their own, in the order the filters were worked on;
requantized outputs are packed, outputs whose requantizer is unknown are stored dense.

The (task, output position) pairs of a step, positions fastest, are dealt to the clusters in turn;
each cluster works through its own, and the step ends with the last.  In step after each chunk the
clusters take neighbouring positions of one output row instead, all with the same filters.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arch.cuts import cut_sizes
from arch.errors import OperandError
from arch.sparten.join import Joined
from arch.sparten.spec import SpartenSpec
from arch.sparten.tasks import Task
from arch.steps import Steps
from workloads.layer import ConvLayer

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Block:
    """Tasks whose filters lie in the filter buffer one after the other.

    ``passes`` are runs of tasks, first and last + 1; ``pieces`` the chunks of the input's
    channels that they read; ``pixel_bytes`` the most that one output pixel takes.
    """

    passes: tuple[Range, ...]
    filters: Range
    pieces: Range
    pixel_bytes: int


@dataclass(frozen=True, slots=True)
class Step:
    """Output rows x one run of tasks."""

    rows: Range
    block: Block
    tasks: Range

    @property
    def finishes(self) -> bool:
        """Outputs are complete, since this is the last pass."""
        return self.tasks == self.block.passes[-1]


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """What the stored input takes, and which of its lines each output row needs.

    Parameters
    ----------
    below : int64 (N x H + 1, chunks of channels + 1), bytes of all lines and chunks before
    first, last : int64 (N x P,), lines ``first``..``last`` - 1 of all images
    """

    below: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def size(self, lines: Range, pieces: Range) -> int:
        """Bytes of some lines and chunks of channels."""
        (low, high), (left, right) = lines, pieces
        corner = self.below[high, right] - self.below[high, left]
        return int(corner - self.below[low, right] + self.below[low, left])

    def under(self, rows: Range) -> Range:
        """Input lines that some output rows need."""
        return int(self.first[rows[0]]), int(self.last[rows[1] - 1])


def input_lines(layer: ConvLayer, activations: np.ndarray, spec: SpartenSpec) -> Lines:
    """Sizes of the stored input, and which lines each output row of each image needs.

    A kernel row in the padding stands for the nearest line of the image.
    """
    images, word = activations.shape[0], spec.operand_bytes
    sizes = cut_sizes(layer.C, spec.chunk)
    edges = np.append(0, np.cumsum(sizes))[:-1]
    nonzeros = np.add.reduceat((activations != 0).sum(axis=3, dtype=np.int64), edges, axis=1)
    if spec.skips_activations:
        by_line = nonzeros * word + layer.W * (-(-sizes // 8) + spec.pointer_bytes)[:, None]
    else:
        by_line = np.broadcast_to((layer.W * sizes * word)[:, None], nonzeros.shape)
    by_line = by_line.transpose(0, 2, 1)
    below = np.zeros((images * layer.H + 1, sizes.size + 1), np.int64)
    below[1:, 1:] = by_line.reshape(-1, sizes.size).cumsum(axis=0).cumsum(axis=1)
    image, p = np.divmod(np.arange(images * layer.P), layer.P)
    top = p * layer.stride - layer.padding[0]
    low = image * layer.H + np.clip(top, 0, layer.H - 1)
    bottom = top + layer.dilation * (layer.R - 1)
    return Lines(below, low, image * layer.H + np.clip(bottom, 0, layer.H - 1) + 1)


def output_pixel_bytes(filters: int, spec: SpartenSpec) -> int:
    """What an output pixel takes beyond its values: masks and pointers of so many channels."""
    if not spec.skips_activations:
        return 0
    return -(-filters // 8) + spec.pointer_bytes * -(-filters // spec.chunk)


def blocks(layer: ConvLayer, todo: tuple[Task, ...], spec: SpartenSpec) -> tuple[Block, ...]:
    """Tasks put together, or the passes of one filter group.

    Raises
    ------
    OperandError
        If one output row of one filter group exceeds half the output buffer.
    """
    found: list[Block] = []
    at = filters = 0
    while at < len(todo):
        passes, end = todo[at].passes, at + todo[at].passes
        block = _block(layer, todo, (at, end), filters, spec)
        need, half = layer.Q * block.pixel_bytes, spec.output_glb_bytes // 2
        if need > half:
            raise OperandError(
                f"{layer.name}: one output row of {block.filters[1] - filters} filters needs "
                f"{need} B of output_glb_bytes, half of it holds {half} B"
            )
        held = todo[at].stored_bytes
        while passes == 1 and end < len(todo) and todo[end].passes == 1:
            more = _block(layer, todo, (at, end + 1), filters, spec)
            held += todo[end].stored_bytes
            if held > spec.filter_glb_bytes // 2 or layer.Q * more.pixel_bytes > half:
                break
            block, end = more, end + 1
        found.append(block)
        at, filters = end, block.filters[1]
    return tuple(found)


def _block(
    layer: ConvLayer, todo: tuple[Task, ...], run: Range, first: int, spec: SpartenSpec
) -> Block:
    split = todo[run[0]].passes > 1
    some = todo[run[0] : run[0] + 1 if split else run[1]]
    count, depth = sum(task.filters for task in some), layer.channels_per_group
    values = count * (spec.psum_bytes if split else spec.operand_bytes)
    return Block(
        tuple((at, at + 1) for at in range(*run)) if split else (run,),
        (first, first + count),
        (some[0].group * depth // spec.chunk, -(-(some[-1].group + 1) * depth // spec.chunk)),
        max(values, count * spec.operand_bytes + output_pixel_bytes(count, spec)),
    )


def row_runs(
    layer: ConvLayer, lines: Lines, todo: tuple[Block, ...], spec: SpartenSpec
) -> tuple[Range, ...]:
    """Output rows cut into the longest runs that fit.

    Raises
    ------
    OperandError
        If the input lines of one output row exceed half the input buffer.
    """
    half = spec.input_glb_bytes // 2
    ranges = sorted({block.pieces for block in todo})
    most = spec.output_glb_bytes // 2 // (layer.Q * max(block.pixel_bytes for block in todo))
    found, start, count = [], 0, lines.first.size

    def need(rows: Range) -> int:
        return max(lines.size(lines.under(rows), pieces) for pieces in ranges)

    while start < count:
        if need((start, start + 1)) > half:
            raise OperandError(
                f"{layer.name}: the input lines of one output row need {need((start, start + 1))} "
                f"B of input_glb_bytes, half of it holds {half} B"
            )
        end = start + 1
        while end < count and end - start < most and need((start, end + 1)) <= half:
            end += 1
        found.append((start, end))
        start = end
    return tuple(found)


def ordered(
    rows: tuple[Range, ...], todo: tuple[Block, ...], *, filters_outer: bool
) -> Iterator[Step]:
    """The steps, in either order."""
    if filters_outer:
        pairs = ((run, block) for block in todo for run in rows)
    else:
        pairs = ((run, block) for run in rows for block in todo)
    for run, block in pairs:
        for part in block.passes:
            yield Step(run, block, part)


def loads(
    steps: tuple[Step, ...], lines: Lines, stored: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bytes of inputs and of weights that each step loads, int64 (steps,) each.

    ``stored`` are the bytes of the tasks, int64 (tasks,).
    """
    inputs, weights = np.zeros((2, len(steps)), np.int64)
    before: Step | None = None
    for at, step in enumerate(steps):
        low, high = lines.under(step.rows)
        inputs[at] = lines.size((low, high), step.block.pieces)
        if before is not None and before.block.pieces == step.block.pieces:
            held_low, held_high = lines.under(before.rows)
            shared = (max(low, held_low), min(high, held_high))
            if shared[0] < shared[1]:
                inputs[at] -= lines.size(shared, step.block.pieces)
        if before is None or before.tasks != step.tasks:
            weights[at] = stored[slice(*step.tasks)].sum()
        before = step
    return inputs, weights


def stores(
    layer: ConvLayer,
    steps: tuple[Step, ...],
    order: np.ndarray,
    outputs: np.ndarray | None,
    spec: SpartenSpec,
) -> np.ndarray:
    """Bytes of outputs that each step stores, int64 (steps,).

    ``outputs`` are requantized, (N, K, P, Q), or None where nobody knows them.
    """
    found = np.zeros(len(steps), np.int64)
    below = None
    if outputs is not None and spec.skips_activations:
        by_row = np.count_nonzero(outputs, axis=3).transpose(0, 2, 1).reshape(-1, layer.K)
        below = np.zeros((by_row.shape[0] + 1, layer.K + 1), np.int64)
        below[1:, 1:] = by_row[:, order].cumsum(axis=0).cumsum(axis=1)
    for at, step in enumerate(steps):
        if not step.finishes:
            continue
        (low, high), (left, right) = step.rows, step.block.filters
        pixels, count = (high - low) * layer.Q, right - left
        if below is None:
            found[at] = pixels * count * spec.operand_bytes
        else:
            values = below[high, right] - below[high, left] - below[low, right] + below[low, left]
            overhead = pixels * output_pixel_bytes(count, spec)
            found[at] = values * spec.operand_bytes + overhead
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Steps with their DRAM; ``dealt`` are cycles in which clusters have no work in a step."""

    steps: tuple[Step, ...]
    dram: Steps
    filters_outer: bool
    dealt: int


def step_cycles(step: Step, joined: Joined, width: int, spec: SpartenSpec) -> int:
    """How long a step computes."""
    tasks, (low, high) = slice(*step.tasks), step.rows
    if spec.sync == "chunk":
        return int(joined.times[tasks, low:high].sum())
    items = joined.times[tasks, low * width : high * width].ravel()
    even = np.zeros(-(-items.size // spec.clusters) * spec.clusters, np.int64)
    even[: items.size] = items
    return int(even.reshape(-1, spec.clusters).sum(axis=0).max())


def plan(
    layer: ConvLayer,
    activations: np.ndarray,
    joined: Joined,
    outputs: np.ndarray | None,
    spec: SpartenSpec,
) -> Plan:
    """The steps of a layer.

    Parameters
    ----------
    layer : ConvLayer
    activations : integers, shape (N, C, H, W)
    joined : Joined
    outputs : requantized outputs, integers (N, K, P, Q), or None
    spec : SpartenSpec

    Raises
    ------
    OperandError
        If the least a step can work on exceeds half a shared buffer.
    """
    lines = input_lines(layer, activations, spec)
    todo = blocks(layer, joined.tasks, spec)
    rows = row_runs(layer, lines, todo, spec)
    stored = np.array([task.stored_bytes for task in joined.tasks], np.int64)
    orders = []
    for filters_outer in (True, False):
        steps = tuple(ordered(rows, todo, filters_outer=filters_outer))
        inputs, weights = loads(steps, lines, stored)
        orders.append((int(inputs.sum() + weights.sum()), filters_outer, steps, inputs, weights))
    _, filters_outer, steps, inputs, weights = min(orders, key=lambda order: order[0])
    cycles = [step_cycles(step, joined, layer.Q, spec) for step in steps]
    out = stores(layer, steps, joined.order, outputs, spec)
    dram = Steps(np.array(cycles, np.int64), {"input": inputs, "weight": weights}, {"output": out})
    dealt = spec.clusters * sum(cycles) - int(joined.occupied.sum())
    return Plan(steps, dram, filters_outer, dealt)
