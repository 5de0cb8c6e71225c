"""pareto: points that no other point beats."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

COSTS = ("latency_s", "energy_j")


def front(costs: np.ndarray) -> np.ndarray:
    """The points that no other point beats: none costs at most as much in all and less in one.

    Parameters
    ----------
    costs : float, shape (points, costs), less is better; a row with a NaN is on no front.  Two
        costs take a sort, others a comparison of all points with each other

    Returns
    -------
    bool, shape (points,); equal points are on the front together

    Examples
    --------
    >>> front(np.array([[1, 4], [2, 2], [3, 3], [4, 1]])).tolist()
    [True, True, False, True]
    """
    found = np.zeros(len(costs), bool)
    known = np.flatnonzero(~np.isnan(costs).any(axis=1))
    if costs.shape[1] != 2:
        for at in known:
            same, others = costs[at], costs[known]
            found[at] = not ((others <= same).all(axis=1) & (others < same).any(axis=1)).any()
        return found
    first, second = costs[:, 0], costs[:, 1]
    order = known[np.lexsort((second[known], first[known]))]
    best, best_first = np.inf, np.nan
    for at in order:
        if second[at] < best:
            best, best_first = second[at], first[at]
            found[at] = True
        else:  # beaten, unless it is the very point that is the best so far
            found[at] = second[at] == best and first[at] == best_first
    return found


def on_front(
    points: "pd.DataFrame", costs: Sequence[str] = COSTS, by: str = "network"
) -> "pd.Series[bool]":
    """Whether each point is on the front among those that did the same work.

    Parameters
    ----------
    points : one row per point
    costs : two columns, less is better
    by : column that tells the work; a small network says nothing about a large one
    """
    import pandas as pd

    found = pd.Series(False, index=points.index)
    for _, same in points.groupby(by, sort=False):
        found[same.index] = front(same[list(costs)].to_numpy(float))
    return found
