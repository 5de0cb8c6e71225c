"""distortion: weighted pruning and scalar quantization of one layer's weights.

Gao, Liu, Wang, Oh, "Rate Distortion For Model Compression" (ICML 2019, arXiv 1810.06401), in the
paper's letters: replacing a weight w by what costs I (what - w)^2 + 1/4 H2 (what - w)^4, with
the sensitivities I and H2 of ``escalate.train.fisher``, H2 being 0 in all but one of its
objectives.
The cost grows with the distance, so that the cheapest of several values is the nearest one.
"""

from dataclasses import dataclass

import numpy as np

from escalate.errors import DecompositionError
from escalate.train.pruning import strongest

ROUNDS = 30  # of k-means: Gao et al., section 5
STEPS = 40  # of Newton's method between bounds, which halves them at worst


@dataclass(frozen=True, slots=True, eq=False)
class Cost:
    """What it costs to move each weight.

    Parameters
    ----------
    square : I, float >= 0, of the weights' shape; 1 for plain squared errors
    fourth : H2, the same; 0 for costs without it

    Raises
    ------
    DecompositionError
        If the shapes differ or a number is negative or not finite.
    """

    square: np.ndarray
    fourth: np.ndarray

    def __post_init__(self) -> None:
        for field in ("square", "fourth"):
            values = getattr(self, field)
            if values.shape != self.square.shape or not (np.isfinite(values) & (values >= 0)).all():
                raise DecompositionError(
                    f"{field}: costs are {values.shape} with numbers from {values.min(initial=0)}, "
                    f"wanted {self.square.shape}, finite and >= 0"
                )

    def __call__(self, moves: np.ndarray) -> np.ndarray:
        """I d^2 + 1/4 H2 d^4 of moves d, float64.

        Examples
        --------
        >>> Cost(np.array([2.0]), np.array([4.0]))(np.array([0.5])).tolist()
        [0.5625]
        """
        squares = moves.astype(np.float64) ** 2
        found: np.ndarray = self.square * squares + self.fourth * squares**2 / 4
        return found

    def of(self, mask: np.ndarray) -> "Cost":
        """That of the weights of a mask, as vectors."""
        return Cost(self.square[mask], self.fourth[mask])


def survivors(weights: np.ndarray, cost: Cost, share: float) -> np.ndarray:
    """Mask of the weights that cost most if they were 0; of equals the first.

    Parameters
    ----------
    weights : float, any shape
    cost : Cost
    share : of the weights that stay, 0..1; at least one stays

    Examples
    --------
    >>> unequal = Cost(np.array([1.0, 9.0, 1.0]), np.zeros(3))
    >>> survivors(np.array([2.0, -1.0, 1.0]), unequal, 0.34).tolist()
    [False, True, False]
    """
    (mask,) = strongest([cost(weights)], max(1, round(share * weights.size)))
    return mask


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Values that weights share.

    Parameters
    ----------
    values : float64, shape (k,), rising
    labels : int64, of the weights' shape, place of each weight's value
    """

    values: np.ndarray
    labels: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """The weights after sharing."""
        found: np.ndarray = self.values[self.labels]
        return found


def cluster(weights: np.ndarray, cost: Cost, count: int) -> Clusters:
    """At most ``count`` values for all weights, by weighted k-means from the weights' quantiles.

    Parameters
    ----------
    weights : float, any shape
    cost : Cost; a cluster whose weights all cost nothing gets their plain mean
    count : k >= 1

    Examples
    --------
    >>> weights = np.array([0.0, 1.0, 10.0, 12.0])
    >>> found = cluster(weights, Cost(np.array([1.0, 3.0, 1.0, 1.0]), np.zeros(4)), 2)
    >>> found.values.tolist(), found.labels.tolist()
    ([0.75, 11.0], [0, 0, 1, 1])
    """
    flat = weights.ravel().astype(np.float64)
    order = np.argsort(flat, kind="stable")
    ranked = flat[order]
    square, fourth = cost.square.ravel()[order], cost.fourth.ravel()[order]
    starts = (np.arange(count) + 0.5) / count
    values = np.unique(np.quantile(ranked, starts, method="inverted_cdf"))
    labels = _nearest(ranked, values)
    for _ in range(ROUNDS):
        values = centres(ranked, labels, square, fourth, values)
        before, labels = labels, _nearest(ranked, values)
        if np.array_equal(before, labels):
            break
    values = centres(ranked, labels, square, fourth, values)
    found = np.empty(flat.size, np.int64)
    found[order] = labels
    return Clusters(values, found.reshape(weights.shape))


def _nearest(ranked: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Place of the nearest value; in the middle of two it is the lower one."""
    edges = (values[1:] + values[:-1]) / 2
    counts = np.diff(np.searchsorted(ranked, edges, side="right"), prepend=0, append=ranked.size)
    return np.repeat(np.arange(values.size), counts)


def centres(
    weights: np.ndarray,
    labels: np.ndarray,
    square: np.ndarray,
    fourth: np.ndarray,
    before: np.ndarray,
) -> np.ndarray:
    """The cheapest value of each cluster; one without weights keeps the value it had.

    Weights are (n,), values (k,).  Where H2 is not 0 it is the one root of the rising function
    sum 2 I (c - w) + H2 (c - w)^3, by Newton's steps, or halving where they leave the bounds.
    """
    size = before.size

    def sums(values: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.bincount(labels, values, minlength=size)
        return found

    counts = sums(np.ones_like(weights))
    middle = np.where(counts > 0, sums(weights) / np.maximum(counts, 1), before)
    moved = weights - middle[labels]  # small numbers, whose powers lose no digits
    total = sums(square)
    shift = np.where(total > 0, sums(square * moved) / np.where(total > 0, total, 1.0), 0.0)
    if not fourth.any():
        return np.where(total > 0, middle + shift, middle)
    powers = [sums(fourth * moved**power) for power in range(4)]
    first = sums(square * moved)
    low, high = np.zeros(size), np.zeros(size)
    np.minimum.at(low, labels, moved)
    np.maximum.at(high, labels, moved)
    root = np.clip(shift, low, high)
    for _ in range(STEPS):
        slope = 2 * total + 3 * (powers[0] * root**2 - 2 * powers[1] * root + powers[2])
        value = 2 * (total * root - first) + (
            powers[0] * root**3 - 3 * powers[1] * root**2 + 3 * powers[2] * root - powers[3]
        )
        low, high = np.where(value < 0, root, low), np.where(value > 0, root, high)
        step = root - value / np.where(slope > 0, slope, 1.0)
        root = np.where((step >= low) & (step <= high), step, (low + high) / 2)
    return middle + np.where(total + powers[0] > 0, root, 0.0)
