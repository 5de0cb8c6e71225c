"""Scales of ternary coefficients in closed form, at every granularity that the machine knows.

Ce[k,c,m] ~ a[k] b[m] T[k,c,m], where T is -1, 0 or +1.  Which scales are free:

================ ==========================================================================
``layer``        one scale: every a[k] is the channel's size times one number, every b[m] is 1
``basis``        the same, with b[m] free
``filter``       a[k] free, b[m] is 1
``separable``    a[k] and b[m] free
``filter_basis`` one scale per pair: A[k,m] = a[k] alpha[k,m], alpha an integer in 1..255
``two_sided``    a[k], b[m] and one pair (p, n): p where T = +1, n where T = -1
================ ==========================================================================

The channel's size is the root mean square of its coefficients.  It is no free scale: with batch
norm folded into the weights, every channel carries its normalization's factor.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from escalate.errors import DecompositionError

Granularity = Literal["layer", "basis", "filter", "separable", "filter_basis", "two_sided"]
GRANULARITIES: tuple[Granularity, ...] = get_args(Granularity)
SETTLED = 1e-9  # relative fall of the squared error below which an alternation has stopped
MOST_SWEEPS = 200
MOST_SCALE = 255  # alpha, p and n are unsigned 8-bit integers


@dataclass(frozen=True, slots=True, eq=False)
class ScaleFit:
    """Scales found by ``fit_scales`` and the squared error after each sweep.

    Parameters
    ----------
    filter_scales : float64, shape (K,), the scales a; 0 exactly where a whole channel vanished
    basis_scales : float64, shape (M,), the scales b, the largest of them 1 where they are free;
        0 where vanished
    pair_scales : float64, shape (K, M), the scales A, or None
    sides : (p, n), the larger of them 1
    squared_errors : sum over all coefficients of h (Ce - scales T)^2, before the first sweep
        (scales 0) and after each; it never rises
    """

    filter_scales: np.ndarray
    basis_scales: np.ndarray
    pair_scales: np.ndarray | None
    sides: tuple[float, float]
    squared_errors: tuple[float, ...]

    def scaled(self, signs: np.ndarray) -> np.ndarray:
        """What the signs (K, C/groups, M) stand for, float64."""
        sided = np.where(signs > 0, self.sides[0], self.sides[1]) * signs
        if self.pair_scales is not None:
            return sided * self.pair_scales[:, None, :]
        return sided * self.filter_scales[:, None, None] * self.basis_scales


def divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotient where the divisor is positive, 0 elsewhere."""
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)


def fit_scales(
    coefficients: np.ndarray,
    signs: np.ndarray,
    granularity: Granularity = "separable",
    importance: np.ndarray | None = None,
) -> ScaleFit:
    """Least-squares scales for given signs, free ones in turn until the error stops falling.

    Parameters
    ----------
    coefficients : float, shape (K, C/groups, M)
    signs : int8 in -1, 0, +1, same shape
    granularity : which scales are free
    importance : float >= 0, shape (K, C/groups), the weight h of each squared error; None for 1

    Raises
    ------
    DecompositionError
        For an unknown granularity.

    Notes
    -----
    With D = sum_c h Ce T and N = sum_c h T^2, taken apart by the sign of T, every step of a sweep
    is a closed form: a = (D b) / (N b^2), b = (a D) / (a^2 N), p and n likewise over their own
    sign; for pairs A = D / N at once.

    Examples
    --------
    >>> signs = np.array([[[1, -1]], [[1, 0]]], np.int8)
    >>> fit = fit_scales(np.array([[[6.0, -3.0]], [[2.0, 0.0]]]), signs)
    >>> fit.filter_scales.round(6).tolist(), fit.basis_scales.round(6).tolist()
    ([6.0, 2.0], [1.0, 0.5])
    """
    if granularity not in GRANULARITIES:
        known = ", ".join(GRANULARITIES)
        raise DecompositionError(f"scales: granularity {granularity!r}, wanted one of {known}")
    exact = coefficients.astype(np.float64)
    weights = np.ones(exact.shape[:2]) if importance is None else importance
    weighted = exact * weights[:, :, None]
    sides = [signs > 0, signs < 0]
    projections = np.stack([(weighted * (signs * side)).sum(axis=1) for side in sides])
    counts = np.stack([(weights[:, :, None] * side).sum(axis=1) for side in sides])
    total = float((weighted * exact).sum())
    if granularity == "filter_basis":
        pairs = divide(projections.sum(axis=0), counts.sum(axis=0))
        error = total - float((pairs * projections.sum(axis=0)).sum())
        return ScaleFit(
            pairs.max(axis=1, initial=0.0),
            np.ones(exact.shape[2]),
            pairs,
            (1.0, 1.0),
            (total, error),
        )
    sizes = np.sqrt((exact**2).mean(axis=(1, 2)))
    return _alternate(projections, counts, total, granularity, sizes)


def _alternate(
    projections: np.ndarray,
    counts: np.ndarray,
    total: float,
    granularity: Granularity,
    sizes: np.ndarray,
) -> ScaleFit:
    """Alternate over the free scales; ``projections`` and ``counts`` are (sign, K, M)."""
    shared = granularity in ("layer", "basis")
    b: np.ndarray = np.ones(counts.shape[2])
    sides: np.ndarray = np.ones(2)
    a: np.ndarray = sizes if shared else np.ones(counts.shape[1])
    errors = [total]
    for _ in range(MOST_SWEEPS):
        d, n = np.tensordot(sides, projections, 1), np.tensordot(sides**2, counts, 1)
        if shared:
            gain, weight = float(a @ d @ b), float(a**2 @ n @ b**2)
            a = a * (gain / weight if weight > 0 else 0.0)
        else:
            a = divide(d @ b, n @ b**2)
        if granularity in ("basis", "separable", "two_sided"):
            b = divide(a @ d, a**2 @ n)
        if granularity == "two_sided":
            found = divide((projections @ b) @ a, (counts @ b**2) @ a**2)
            sides = np.where(found > 0, found, sides)
            d, n = np.tensordot(sides, projections, 1), np.tensordot(sides**2, counts, 1)
        errors.append(total - float(2 * a @ d @ b - a**2 @ n @ b**2))
        if errors[-2] - errors[-1] <= SETTLED * total:
            break
    largest = b.max(initial=0.0) or 1.0
    if granularity in ("layer", "filter"):
        largest = 1.0
    peak = float(sides.max())
    positive, negative = (sides / peak).tolist()
    return ScaleFit(a * largest * peak, b / largest, None, (positive, negative), tuple(errors))
