"""The front end: which steps of the dense machine are left, made from the weights beforehand.

Rule, source DNNsim's scheduler (facts; nothing is copied).  All filters of a tile walk the steps
together.  Up to ``lookahead`` consecutive steps without a weight in any of them are left out.  At
every other step each filter fills its empty slots: a slot's candidates are the weights at
``spec.places`` relative to it, lanes counted round within the filter's; the slot with the largest
number of candidates, the lowest lane of several, takes its first candidate; again until no slot
has one.  A weight that was taken leaves its own slot empty.

The concentration of the Basis-First machine fills holes from rows ahead and lanes aside too, but
by another rule: all holes at once, shift by shift, for pairs that are known at run time only.

Without look-ahead nothing is left out and every weight is executed, zero or not: no one marks
which are zeros.

Rules: specification/bit_tactical.md, BIT-2 to BIT-4.
"""

from dataclasses import dataclass

import numpy as np

from arch.bit_tactical.kernels import fill_masks, schedule_sets
from arch.bit_tactical.layout import Layout
from arch.bit_tactical.spec import BitTacticalSpec


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """The steps left of every set of filters.

    Parameters
    ----------
    counts : int64 (sets,), steps left
    times : int32 (sets, steps), the dense number of each of them
    used : uint64 (sets, steps, lookahead + 1), lanes at that many steps ahead whose activations
        are multiplied by a weight of any filter
    taken : int64 (sets, steps), slots with a weight, all filters
    rows : bool (sets, steps), dense steps of which any weight is executed at all
    came : int8 (sets, steps, rows, lanes), by dense step: 1 + the number of the place from which
        a slot was filled; of no sets where nobody asked
    """

    counts: np.ndarray
    times: np.ndarray
    used: np.ndarray
    taken: np.ndarray
    rows: np.ndarray
    came: np.ndarray

    @property
    def slots(self) -> np.ndarray:
        """Slots with a weight of every set, int64 (sets,)."""
        left = np.arange(self.taken.shape[1]) < self.counts[:, None]
        total: np.ndarray = np.where(left, self.taken, 0).sum(axis=1)
        return total


def schedule(
    weights: np.ndarray, found: Layout, spec: BitTacticalSpec, *, detailed: bool = False
) -> Schedule:
    """Schedule the weights of a layer.

    Parameters
    ----------
    weights : int32 (K, C/groups, R, S)
    found : Layout of the same layer
    spec : BitTacticalSpec
    detailed : also tell where every weight went, see ``Schedule.came``

    Examples
    --------
    >>> from arch.bit_tactical.layout import layout
    >>> from workloads.layer import ConvLayer
    >>> layer = ConvLayer("fc", C=48, K=1, H=1, W=1)
    >>> weights = np.zeros((1, 48, 1, 1), np.int32)
    >>> weights[0, [0, 16, 17]] = 1  # lane 0 at step 0; lanes 0 and 1 at step 1; nothing at step 2
    >>> spec = BitTacticalSpec()
    >>> made = schedule(weights, layout(layer, spec), spec)
    >>> made.counts.tolist(), made.times[0, :1].tolist(), made.taken[0, :1].tolist()
    ([1], [0], [3])
    """
    layer, lanes = found.layer, spec.lanes
    sets, steps = found.sizes.size, found.steps
    masks = np.zeros((sets, steps, spec.filters), np.uint64)
    flat = weights.reshape(layer.K, layer.channels_per_group, layer.R * layer.S)
    fill_masks(
        flat, not spec.scheduled, lanes, found.chunks, found.of_set, found.row, found.offset, masks
    )
    rows = np.asarray(masks.any(axis=2))
    ahead, aside = np.array(spec.places, np.int64).reshape(-1, 2).T
    counts = np.zeros(sets, np.int64)
    times = np.zeros((sets, steps), np.int32)
    used = np.zeros((sets, steps, spec.lookahead + 1), np.uint64)
    taken = np.zeros((sets, steps), np.int64)
    came = np.zeros((sets if detailed else 0, steps, spec.filters, lanes), np.int8)
    schedule_sets(
        masks,
        found.sizes,
        lanes,
        spec.lookahead,
        np.ascontiguousarray(ahead),
        aside % lanes,
        -aside % lanes,
        counts,
        times,
        used,
        taken,
        came,
    )
    return Schedule(counts, times, used, taken, rows, came)
