"""Steps of a layer: which output rows meet which filters when, and what each step moves.

Either the filters stay while the rows pass, or the rows stay while the filters pass; the passes of
one block of filters stand next to each other.  A step loads whole input lines, of those chunks of
channels that its convolution groups read, and only lines that the step before did not hold; and
filters, unless they are there.  Its outputs are stored as chunks of their own, in the order the
filters were worked on; requantized outputs are packed, outputs whose requantizer is unknown are
stored dense.

The (filter group, output position) pairs of a step, positions fastest, are dealt to the clusters
in turn; each cluster works through its own, and the step ends with the last.  In step after each
chunk the clusters take neighbouring positions of one output row, all with the same filters.

Rule: specification/sparten.md, SPA-8.
"""

import numpy as np

from arch.sparten.arrange import Arrangement, output_pixel_bytes
from arch.sparten.kernels import deal
from arch.sparten.lines import Runs
from arch.sparten.spec import SpartenSpec
from arch.steps import Steps


def input_loads(arranged: Arrangement, under: Runs, *, filters_outer: bool) -> np.ndarray:
    """Bytes of input that each step loads, int64, see ``in_order`` for the shape."""
    which = arranged.which
    held, shared = under.held[:, which], under.shared[:, which]
    stays = np.zeros(which.size, bool)
    stays[1:] = which[1:] == which[:-1]
    if filters_outer:
        found = held - shared
        found[0] -= stays * under.wrapped[which]
    else:
        found = np.where(stays, 0, held)
        if which[0] == which[-1]:
            found[:, 0] -= shared[:, 0]
    loads = np.zeros((*found.shape, arranged.passes), np.int64)
    loads[:, :, 0] = found
    return loads


def weight_loads(arranged: Arrangement, runs: int, *, filters_outer: bool) -> np.ndarray:
    """Bytes of filters that each step loads, int64 (runs, blocks, passes)."""
    loads = np.repeat(arranged.stored[None], runs, axis=0)
    if arranged.passes == 1 and (filters_outer or arranged.blocks == 1):
        loads[1:] = 0
    return loads


def output_stores(arranged: Arrangement, under: Runs, below: np.ndarray | None) -> np.ndarray:
    """Bytes of outputs that each step stores, int64 (runs, blocks, passes).

    ``below`` as ``nonzeros_below`` gives it, or None where outputs are stored whole.
    """
    spec: SpartenSpec = arranged.joins.spec
    rows, filters = under.bounds, arranged.filters
    counts = np.diff(filters)
    pixels = (np.diff(rows) * arranged.joins.layer.Q)[:, None]
    if below is None:
        found = pixels * counts * spec.operand_bytes
    else:
        values = np.diff(np.diff(below[np.ix_(rows, filters)], axis=0), axis=1)
        found = values * spec.operand_bytes + pixels * output_pixel_bytes(counts, spec)
    stores = np.zeros((*found.shape, arranged.passes), np.int64)
    stores[:, :, -1] = found
    return stores


def nonzeros_below(
    outputs: np.ndarray | None, order: np.ndarray, spec: SpartenSpec
) -> np.ndarray | None:
    """Non-zeros of all output rows and filters before, int64 (N x P + 1, K + 1).

    ``outputs`` are requantized, (N, K, P, Q), or None where nobody knows them; ``order`` is that
    of the filters.  None where outputs are stored whole.
    """
    if outputs is None or not spec.skips_activations:
        return None
    by_row = np.count_nonzero(outputs, axis=3).transpose(0, 2, 1).reshape(-1, order.size)
    below = np.zeros((by_row.shape[0] + 1, order.size + 1), np.int64)
    below[1:, 1:] = by_row[:, order].cumsum(axis=0).cumsum(axis=1)
    return below


def lengths(arranged: Arrangement, under: Runs) -> np.ndarray:
    """Cycles that each step computes, int64 (runs, blocks, passes)."""
    joins, rows = arranged.joins, under.bounds
    times = joins.times(arranged.passes)
    if joins.spec.sync == "chunk":
        own = times[:, :, rows[0] : rows[-1]]
        by_run = np.add.reduceat(own, rows[:-1] - rows[0], axis=2)
        total: np.ndarray = np.add.reduceat(by_run, arranged.bounds[:-1]).transpose(2, 0, 1)
        return total
    found = np.empty((rows.size - 1, arranged.blocks, arranged.passes), np.int64)
    deal(times, arranged.bounds, rows, joins.layer.Q, joins.spec.clusters, found)
    return found


def in_order(steps: np.ndarray, *, filters_outer: bool) -> np.ndarray:
    """Steps by (runs, blocks, passes) one after the other."""
    flat: np.ndarray = (steps.transpose(1, 0, 2) if filters_outer else steps).ravel()
    return flat


def steps(
    arranged: Arrangement, under: Runs, below: np.ndarray | None, *, filters_outer: bool
) -> Steps:
    """The steps of runs of output rows."""
    weight = weight_loads(arranged, under.bounds.size - 1, filters_outer=filters_outer)
    moved = {
        "input": input_loads(arranged, under, filters_outer=filters_outer),
        "weight": weight,
        "output": output_stores(arranged, under, below),
    }
    flat = {name: in_order(part, filters_outer=filters_outer) for name, part in moved.items()}
    return Steps(
        in_order(lengths(arranged, under), filters_outer=filters_outer),
        {name: flat[name] for name in ("input", "weight")},
        {"output": flat["output"]},
    )
