"""Bytes to and from DRAM of every step, and what they fill into the memories on chip.

Formats, Assumption where no source tells them: of each step left and filter a bitmap of its
slots, then weight and selector of the slots taken; dense weights without a front end; activations
as ``group_bits`` says, a group being ``lanes`` channels, counted from the first of a pass, or the
outputs of one set of filters.

Rule: specification/bit_tactical.md, BIT-9.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from arch.bit_tactical.encode import group_bits
from arch.bit_tactical.layout import Layout
from arch.bit_tactical.plan import Plan
from arch.bit_tactical.schedule import Schedule
from arch.bit_tactical.spec import BitTacticalSpec
from arch.bit_tactical.tally import Tally
from arch.lines import lines_under
from arch.steps import Steps


def _bytes(bits: np.ndarray) -> np.ndarray:
    whole: np.ndarray = -(-bits // 8)
    return whole


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Sizes in DRAM, whatever the plan.

    Parameters
    ----------
    weights : int64 (sets, steps + 1), bits of all steps left before
    lines : int64 (passes, N x H + 1), bytes of all input lines before
    outputs : int64 (sets, windows + 1), bits of all windows before
    whole : bytes of the whole input and of all weights
    """

    weights: np.ndarray
    lines: np.ndarray
    outputs: np.ndarray
    whole: Mapping[str, int]


def _below(values: np.ndarray) -> np.ndarray:
    ends = np.zeros((values.shape[0], values.shape[1] + 1), np.int64)
    np.cumsum(values, axis=1, out=ends[:, 1:])
    return ends


def stored(
    found: Layout,
    channels: np.ndarray,
    made: Schedule,
    spec: BitTacticalSpec,
    activations: np.ndarray,
    outputs: np.ndarray | None,
) -> Stored:
    """Sizes of a layer's tensors; ``channels`` of each pass as ``Plan`` has them."""
    bits = made.taken * spec.slot_bits
    if spec.scheduled:
        bits = bits + found.sizes[:, None] * spec.lanes + spec.advance_bits
    kept: dict[tuple[int, int], np.ndarray] = {}
    everything = (0, activations.shape[1])
    for first, last in (everything, *channels.tolist()):
        if (first, last) not in kept:
            part = activations[:, first:last]
            kept[first, last] = _bytes(group_bits(part, found.lanes, spec).sum(axis=2).ravel())
    lines = np.stack([kept[first, last] for first, last in channels.tolist()])
    windows = activations.shape[0] * found.layer.P * found.layer.Q
    single = np.empty((found.sizes.size, windows), np.int64)
    single[:] = found.sizes[:, None] * spec.operand_bits
    for at, end in enumerate(np.cumsum(found.sizes) if outputs is not None else ()):
        assert outputs is not None
        part = outputs[:, end - found.sizes[at] : end]
        single[at] = group_bits(part, part.shape[1], spec).ravel()
    weights = _below(bits)
    ends = np.take_along_axis(weights, made.counts[:, None], axis=1)
    whole = {"input": int(kept[everything].sum()), "weight": int(_bytes(ends).sum())}
    return Stored(weights, _below(lines), _below(single), whole)


def weight_loads(planned: Plan, made: Schedule, sizes: Stored) -> np.ndarray:
    """DRAM bytes of the weights of every set and piece, int64 (sets, pieces)."""
    edges = np.minimum(np.arange(planned.pieces + 1) * planned.piece, made.counts[:, None])
    return _bytes(np.diff(np.take_along_axis(sizes.weights, edges, axis=1), axis=1))


def fetched(planned: Plan) -> tuple[np.ndarray, np.ndarray]:
    """First line that each block of each pass fetches and the one behind its last.

    Both int64 (passes, blocks).
    """
    lines = lines_under(planned.layout.layer, planned.blocks)
    first = lines.first.copy()
    first[1:] = np.maximum(first[1:], np.minimum(lines.last[:-1], lines.last[1:]))
    shape = (planned.channels.shape[0], 1)
    firsts, lasts = np.tile(first, shape), np.tile(lines.last, shape)
    if planned.input_stays:
        again = np.all(planned.channels[1:] == planned.channels[:-1], axis=1)
        firsts[1:][again] = lasts[1:][again]
    return firsts, lasts


def output_stores(planned: Plan, sizes: Stored) -> np.ndarray:
    """DRAM bytes of the outputs of every pass and block, int64 (passes, blocks)."""
    bits = np.diff(sizes.outputs[:, planned.blocks], axis=1)
    return _bytes(np.add.reduceat(bits, planned.passes, axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """Bytes that steps move: DRAM, and what they fill into the memories on chip."""

    steps: Steps
    input_filled: int
    weight_rows: np.ndarray


def moved(
    planned: Plan, made: Schedule, counts: Tally, spec: BitTacticalSpec, sizes: Stored
) -> Moved:
    """The steps in order, pass by pass, block by block, piece by piece.

    ``weight_rows`` int64 (sets,): steps of each set filled into the weight memory of a tile.
    """
    lengths = counts.lengths(planned)
    shape = lengths.shape
    loads, stores = np.zeros((2, *shape), np.int64)
    first, last = fetched(planned)
    at = np.arange(shape[0])[:, None]
    loads[:, :, 0] = sizes.lines[at, last] - sizes.lines[at, first]
    stores[:, :, -1] = output_stores(planned, sizes)
    weights = np.zeros(shape, np.int64)
    single = np.add.reduceat(weight_loads(planned, made, sizes), planned.passes, axis=0)
    times = shape[1] if planned.pieces > 1 else 1
    weights[:, :times, :] = single[:, None, :]
    depth = np.diff(planned.channels, axis=1) * planned.layout.layer.W * spec.operand_bytes
    return Moved(
        Steps(
            lengths.ravel(),
            {"input": loads.ravel(), "weight": weights.ravel()},
            {"output": stores.ravel()},
        ),
        int(((last - first) * depth).sum()),
        made.counts * times,
    )
