"""Cycles of the back ends, and lane-cycles by cause.

Cycles = sum over the pallets of windows of a tile and the steps left of its schedule of the
slowest that advances together:

- ``bit_parallel``: 1; a pallet is one window.
- ``precision``, ``bits``: the worst window of the pallet; a window needs what ``arch.bit_tactical.
  encode`` says of all activations that a weight of any filter of the tile multiplies at that step.
  So lanes, filters and columns of a tile wait for each other at every step; tiles do not.
- A fully connected layer has one window for each image.  There the bit-serial back ends give
  successive steps to successive columns, one a cycle (DNNsim does so by default), each image for
  itself; the columns' psums are added up at the end, which takes no cycles here (Assumption).

Assumption: filling the pipeline and adding up a tile's last psums takes no cycles, and the
memories on chip deliver what every step needs.

Rules: specification/bit_tactical.md, BIT-5 to BIT-8.
"""

from dataclasses import dataclass

import numpy as np

from arch.bit_tactical.encode import encode
from arch.bit_tactical.kernels import gather, multiplexed_cycles, serial_cycles, step_costs
from arch.bit_tactical.layout import Layout
from arch.bit_tactical.plan import Plan
from arch.bit_tactical.schedule import Schedule
from arch.bit_tactical.spec import BitTacticalSpec
from workloads.layer import ConvLayer

AT_ONCE = 4096  # windows whose activations are gathered together


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What the tiles did for one layer.

    Parameters
    ----------
    cycles : int64 (blocks, sets, pieces, copies), cycles of the tile that did each part
    held : int64 (sets,), window-cycles until the steps of the set's windows ended
    held_slots : the same times the slots taken at that step, all sets
    needed : int64 (sets,), window-cycles that the windows themselves needed
    worked : lane-cycles that multiplied: terms, bits or words
    """

    cycles: np.ndarray
    held: np.ndarray
    held_slots: int
    needed: np.ndarray
    worked: int

    def lengths(self, planned: Plan) -> np.ndarray:
        """Cycles of every step, int64 (passes, blocks, pieces): the slowest tile's."""
        slowest = self.cycles.max(axis=3)
        grouped: np.ndarray = np.maximum.reduceat(slowest, planned.passes, axis=1)
        return grouped.transpose(1, 0, 2)


def is_multiplexed(planned: Plan, spec: BitTacticalSpec) -> bool:
    """Whether steps take turns at the columns."""
    return spec.serial and planned.layout.layer.is_linear


def bit_parallel(planned: Plan, made: Schedule) -> Tally:
    """One cycle for each step and window."""
    first = np.arange(planned.pieces) * planned.piece
    steps = np.clip(made.counts[:, None] - first, 0, planned.piece)
    share = np.arange(planned.copies)
    windows = -(-(planned.windows[:, None] - share) // planned.copies)
    total = int(planned.windows.sum())
    slots = int(made.slots.sum()) * total
    return Tally(
        steps[None, :, :, None] * windows[:, None, None, :],
        made.counts * total,
        slots,
        made.counts * total,
        slots,
    )


def _slots(layer: ConvLayer, weights: np.ndarray, spec: BitTacticalSpec) -> np.ndarray:
    """Weights of each channel and tap that take a slot, int64 (C, R, S)."""
    grouped = weights.reshape(layer.groups, -1, *layer.weight_shape[1:])
    if not spec.scheduled:
        return np.full((layer.C, layer.R, layer.S), grouped.shape[1], np.int64)
    return np.count_nonzero(grouped, axis=1).reshape(layer.C, layer.R, layer.S)


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """What a bit-serial back end needs, whatever the plan.

    ``steps`` uint8 (sets, steps, windows of all images), cycles; ``terms`` multiplied in all, or
    None where a lane works as long as its window needs.
    """

    steps: np.ndarray
    terms: int | None


def costs(
    activations: np.ndarray,
    weights: np.ndarray,
    found: Layout,
    made: Schedule,
    spec: BitTacticalSpec,
) -> Costs:
    """Costs from the activations themselves.

    Parameters
    ----------
    activations : uint8 or int8, shape (N, C, H, W)
    weights : int32 (K, C/groups, R, S)
    """
    layer, encoded = found.layer, encode(activations, spec)
    top, bottom, left, right = layer.padding
    codes = np.pad(encoded.codes, ((0, 0), (0, 0), (top, bottom), (left, right)))
    flat, (images, channels, height, width) = codes.ravel(), codes.shape
    sets, windows = found.sizes.size, images * layer.P * layer.Q
    steps = np.zeros((sets, int(made.counts.max()), windows), np.uint8)
    starts = np.append(np.searchsorted(found.block, np.arange(found.blocks)), sets)
    slots, terms = _slots(layer, weights, spec) if encoded.largest else None, 0
    for low in range(0, windows, AT_ONCE):
        some = np.arange(low, min(windows, low + AT_ONCE))
        image, p, q = np.unravel_index(some, (images, layer.P, layer.Q))
        corner = image * channels * height + p * layer.strides[0]
        corner = corner * width + q * layer.strides[1]
        for block in range(found.blocks):
            own = slice(int(starts[block]), int(starts[block + 1]))
            channel, row, column = found.places(block)
            place = np.where(channel < 0, -1, (channel * height + row) * width + column)
            under = np.empty((channel.size, some.size), codes.dtype)
            gather(flat, place, corner, under)
            if slots is not None:
                there = channel >= 0
                r, s = row[there] // layer.dilations[0], column[there] // layer.dilations[1]
                sizes = under[there].sum(axis=1, dtype=np.int64)
                terms += int((sizes * slots[channel[there], r, s]).sum())
            step_costs(
                under,
                made.counts[own],
                made.times[own],
                made.used[own],
                spec.lanes,
                encoded.largest,
                encoded.need,
                steps[own, :, low : low + some.size],
            )
    return Costs(steps, terms if encoded.largest else None)


def tally(planned: Plan, made: Schedule, found: Costs | None, spec: BitTacticalSpec) -> Tally:
    """What the tiles do by a plan; ``found`` is None where they multiply words."""
    if found is None:
        return bit_parallel(planned, made)
    shape = (made.counts.size, planned.windows.size, planned.pieces, planned.copies)
    cycles, sums = np.zeros(shape, np.int64), np.empty((made.counts.size, 4), np.int64)
    run = multiplexed_cycles if is_multiplexed(planned, spec) else serial_cycles
    run(
        found.steps,
        made.counts,
        made.taken,
        planned.blocks,
        spec.columns,
        planned.piece,
        cycles,
        sums,
    )
    by_block = cycles.transpose(1, 0, 2, 3)
    return Tally(by_block, sums[:, 0], int(sums[:, 1].sum()), sums[:, 2], int(sums[:, 3].sum()))


def causes(runs: list[tuple[Plan, Tally]], worked: int, spec: BitTacticalSpec) -> dict[str, int]:
    """Lane-cycles by cause, waits for DRAM left out; they add up to units x cycles.

    ``multiply`` a lane works on a term, a bit or a word; ``slower_lanes`` it has a weight and
    waits for the step's slowest activation; ``empty_slots`` its filter has no weight for it;
    ``idle_lanes`` its row has no filter or its column no window; ``tile_imbalance`` its tile has
    no more work in this step of the plan.
    """
    sizes = runs[0][0].layout.sizes
    tile = spec.units // spec.tiles
    busy = sum(int(found.cycles.sum()) for _, found in runs)
    held = sum(int((sizes * found.held).sum()) for _, found in runs) * spec.lanes
    slots = sum(found.held_slots for _, found in runs)
    lengths = sum(int(found.lengths(planned).sum()) for planned, found in runs)
    return {
        "multiply": worked,
        "slower_lanes": slots - worked,
        "empty_slots": held - slots,
        "idle_lanes": tile * busy - held,
        "tile_imbalance": tile * (spec.tiles * lengths - busy),
    }
