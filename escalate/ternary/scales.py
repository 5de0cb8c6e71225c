"""Scales of ternary coefficients in closed form.

Ce[k,c,m] ~ a[k] b[m] T[k,c,m], where T is -1, 0 or +1. Which scales are free is settled by a
granularity, see ``escalate.train.granularity``. Scales that count +1 and -1 apart are p and n.

The size of a channel is the root mean square of its coefficients.  It is no free scale: with batch
norm folded into the weights, every channel carries its normalization's factor.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SETTLED = 1e-9  # relative fall of the squared error below which an alternation has stopped
MOST_SWEEPS = 200
MOST_SCALE = 255  # alpha, p and n are unsigned 8-bit integers


@dataclass(frozen=True, slots=True, eq=False)
class ScaleFit:
    """Scales that were fitted, and the squared error after each sweep.

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


Fit = Callable[[np.ndarray, np.ndarray, np.ndarray | None], ScaleFit]


def divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotient where the divisor is positive, 0 elsewhere."""
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)


def fit_scales(
    coefficients: np.ndarray,
    signs: np.ndarray,
    importance: np.ndarray | None = None,
    *,
    common: bool = False,
    basis: bool = True,
    sides: bool = False,
) -> ScaleFit:
    """Least-squares scales for given signs, free ones in turn until the error stops falling.

    Parameters
    ----------
    coefficients : float, shape (K, C/groups, M)
    signs : int8 in -1, 0, +1, same shape
    importance : float >= 0, shape (K, C/groups), the weight h of each squared error; None for 1
    common : every a[k] is the channel's size times one number, instead of free
    basis : b[m] is free, instead of 1
    sides : p and n are free, instead of 1

    Notes
    -----
    With D = sum_c h Ce T and N = sum_c h T^2, taken apart by the sign of T, every step of a sweep
    is a closed form: a = (D b) / (N b^2), b = (a D) / (a^2 N), p and n likewise over their own
    sign.

    Examples
    --------
    >>> signs = np.array([[[1, -1]], [[1, 0]]], np.int8)
    >>> fit = fit_scales(np.array([[[6.0, -3.0]], [[2.0, 0.0]]]), signs)
    >>> fit.filter_scales.round(6).tolist(), fit.basis_scales.round(6).tolist()
    ([6.0, 2.0], [1.0, 0.5])
    """
    projections, counts, total = _sums(coefficients, signs, importance)
    sizes = None
    if common:
        sizes = np.sqrt((coefficients.astype(np.float64) ** 2).mean(axis=(1, 2)))
    return _alternate(projections, counts, total, sizes, basis=basis, sided=sides)


def fit_pairs(
    coefficients: np.ndarray, signs: np.ndarray, importance: np.ndarray | None = None
) -> ScaleFit:
    """One least-squares scale for each pair of output channel and basis kernel, A = D / N.

    Parameters are those of ``fit_scales``.

    Examples
    --------
    >>> fit = fit_pairs(np.array([[[6.0, -3.0]]]), np.array([[[1, -1]]], np.int8))
    >>> fit.pair_scales.tolist()
    [[6.0, 3.0]]
    """
    projections, counts, total = _sums(coefficients, signs, importance)
    pairs = divide(projections.sum(axis=0), counts.sum(axis=0))
    error = total - float((pairs * projections.sum(axis=0)).sum())
    largest = pairs.max(axis=1, initial=0.0)
    return ScaleFit(largest, np.ones(pairs.shape[1]), pairs, (1.0, 1.0), (total, error))


def _sums(
    coefficients: np.ndarray, signs: np.ndarray, importance: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """D and N, (sign, K, M), and the sum of h Ce^2."""
    exact = coefficients.astype(np.float64)
    weights = np.ones(exact.shape[:2]) if importance is None else importance
    weighted = exact * weights[:, :, None]
    sides = [signs > 0, signs < 0]
    projections = np.stack([(weighted * (signs * side)).sum(axis=1) for side in sides])
    counts = np.stack([(weights[:, :, None] * side).sum(axis=1) for side in sides])
    return projections, counts, float((weighted * exact).sum())


def _alternate(
    projections: np.ndarray,
    counts: np.ndarray,
    total: float,
    sizes: np.ndarray | None,
    *,
    basis: bool,
    sided: bool,
) -> ScaleFit:
    """Alternate over the free scales; ``projections`` and ``counts`` are (sign, K, M)."""
    b: np.ndarray = np.ones(counts.shape[2])
    sides: np.ndarray = np.ones(2)
    a: np.ndarray = np.ones(counts.shape[1]) if sizes is None else sizes
    errors = [total]
    for _ in range(MOST_SWEEPS):
        d, n = np.tensordot(sides, projections, 1), np.tensordot(sides**2, counts, 1)
        if sizes is not None:
            gain, weight = float(a @ d @ b), float(a**2 @ n @ b**2)
            a = a * (gain / weight if weight > 0 else 0.0)
        else:
            a = divide(d @ b, n @ b**2)
        if basis:
            b = divide(a @ d, a**2 @ n)
        if sided:
            found = divide((projections @ b) @ a, (counts @ b**2) @ a**2)
            sides = np.where(found > 0, found, sides)
            d, n = np.tensordot(sides, projections, 1), np.tensordot(sides**2, counts, 1)
        errors.append(total - float(2 * a @ d @ b - a**2 @ n @ b**2))
        if errors[-2] - errors[-1] <= SETTLED * total:
            break
    largest = (b.max(initial=0.0) or 1.0) if basis else 1.0
    peak = float(sides.max())
    positive, negative = (sides / peak).tolist()
    return ScaleFit(a * largest * peak, b / largest, None, (positive, negative), tuple(errors))
