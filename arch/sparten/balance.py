"""Greedy balancing: which filters a cluster works on at once, and which unit takes which.

``none``: filters in their order, one per unit.  ``software`` (GB-S) sorts the filters of a
convolution group by their non-zeros, densest first; a filter group is the next two per unit in
that order, and in it the densest filter shares a unit with the sparsest, the second densest with
the second sparsest, and so on.  ``hardware`` (GB-H) has the same filter groups and pairs their
filters anew for each chunk, by the non-zeros in that chunk.

Assumption: equal counts keep the order of the filters.  A filter group that is not full pairs as
few filters as leave no unit empty: its densest filters have a unit to themselves, the same one for
all chunks, the others share the other units.  The output channels leave in the sorted order; the
next layer's weights are permuted offline, at no cost.

Rule: specification/sparten.md, SPA-6.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from arch.cuts import cut
from arch.sparten.spec import SpartenSpec


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """Filter groups of one convolution group.

    Parameters
    ----------
    order : int64 (filters,), the filters as they are worked on
    bounds : int64 (filter groups + 1,), where each filter group begins in ``order``
    ranked : int64 (filters, chunks), the same filters at each chunk, in the order in which the
        units of their filter group take them, see ``unit_of_rank``
    """

    order: np.ndarray
    bounds: np.ndarray
    ranked: np.ndarray

    def by_rank(self, values: np.ndarray) -> np.ndarray:
        """Values of filters and chunks, (filters, chunks, ...), in the order of ``ranked``."""
        found: np.ndarray = values[self.ranked, np.arange(self.ranked.shape[1])]
        return found


def unit_of_rank(count: int, units: int) -> np.ndarray:
    """Unit of each of ``count`` filters of a filter group, by rank: int64 (count,).

    The first ``units`` have one each; of the others the last joins the first, and so on.

    Examples
    --------
    >>> unit_of_rank(7, 4).tolist()
    [0, 1, 2, 3, 2, 1, 0]
    """
    ranks = np.arange(count)
    return np.where(ranks < units, ranks, count - 1 - ranks)


def grouping(nonzeros: np.ndarray, spec: SpartenSpec) -> Grouping:
    """Filter groups of filters whose chunks hold so many non-zeros, int64 (filters, chunks).

    Examples
    --------
    >>> found = grouping(np.array([[3, 1], [9, 0], [5, 2]]), SpartenSpec(units_per_cluster=2))
    >>> found.order.tolist(), found.bounds.tolist(), found.ranked.tolist()
    ([1, 2, 0], [0, 3], [[2, 2], [1, 1], [0, 0]])
    """
    filters, chunks = nonzeros.shape
    order = np.arange(filters)
    if spec.balance != "none":
        order = np.argsort(-nonzeros.sum(axis=1), kind="stable")
    bounds = cut(filters, spec.filters_per_group)
    ranked = np.repeat(order[:, None], chunks, axis=1)
    for low, high in pairwise(bounds.tolist()):
        shared = max(0, high - low - spec.units_per_cluster)
        alone, rest = np.split(order[low:high], [high - low - 2 * shared])
        paired = np.repeat(rest[:, None], chunks, axis=1)
        if spec.balance == "hardware":
            paired = rest[np.argsort(-nonzeros[rest], axis=0, kind="stable")]
        ranked[low : low + shared] = paired[:shared]
        ranked[low + shared : high - shared] = alone[:, None]
        ranked[high - shared : high] = paired[shared:]
    return Grouping(order, bounds, ranked)
