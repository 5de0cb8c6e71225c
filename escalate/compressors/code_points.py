"""code_points: numbers in as many bits as their uncertainty is worth.

Yang, Bamler, Mandt, "Variational Bayesian Quantization" (ICML 2020).  Each coordinate has a
posterior N(mu, sigma^2); a prior with CDF F is shared.  The code points of n bits are F^-1(xi) of
the middles xi = i/2^n + 1/2^(n+1) of 2^n equal shares, for n = 0..N: a short one is coarse, and all
differ.  A coordinate takes the point z with the least

    (z - mu)^2 / (2 sigma^2) + lambda * bits(z)

Of each length only the two neighbours of mu can be it, so that 2N + 1 points are looked at instead
of 2^(N+1) - 1.  Lengths are no rate, since these codes are not prefix-free: what the points cost is
what ``vbq_stream`` writes.
"""

from dataclasses import dataclass

import numpy as np

from escalate.compressors.priors import Prior
from escalate.errors import DecompositionError

LONGEST = 10  # bits, as in the paper's experiments
LIMIT = 15  # bits: 65,535 points are as many symbols as are coded
MOST_DEVIATIONS = 1e150  # of a mean from 0, whose square is a number still
BLOCK = 1 << 14  # coordinates whose arrays stay in a cache together


@dataclass(frozen=True, slots=True, eq=False)
class CodePoints:
    """All values that a coordinate may take, numbered by length first: 2^n - 1 + i has n bits.

    Parameters
    ----------
    values : float64, shape (2^(N+1) - 1,)
    longest : N
    """

    values: np.ndarray
    longest: int

    def lengths(self, points: np.ndarray) -> np.ndarray:
        """Bits n of numbers of points, int64.

        Examples
        --------
        >>> from escalate.compressors.priors import Gaussian
        >>> code_points(Gaussian(1.0), 2).lengths(np.array([0, 1, 2, 3, 6])).tolist()
        [0, 1, 1, 2, 2]
        """
        bounds = (np.int64(1) << np.arange(1, self.longest + 1)) - 1
        return np.searchsorted(bounds, points, side="right")

    def rising(self) -> np.ndarray:
        """The numbers of all points in the order of their shares xi, int64.

        Examples
        --------
        >>> from escalate.compressors.priors import Gaussian
        >>> code_points(Gaussian(1.0), 2).rising().tolist()
        [3, 1, 4, 0, 5, 2, 6]
        """
        return np.argsort(_shares(self.longest))


def _shares(longest: int) -> np.ndarray:
    """xi of every point, exact."""
    levels = [(np.arange(1 << n) + 0.5) / (1 << n) for n in range(longest + 1)]
    return np.concatenate(levels)


def code_points(prior: Prior, longest: int = LONGEST) -> CodePoints:
    """The code points of 0..``longest`` bits.

    Raises
    ------
    DecompositionError
        If ``longest`` is not 0..15, or the prior's quantiles fall, are not finite or have no width.

    Examples
    --------
    >>> from escalate.compressors.priors import Quantiles
    >>> code_points(Quantiles(np.array([0.0, 8.0])), 2).values.tolist()
    [4.0, 2.0, 6.0, 1.0, 3.0, 5.0, 7.0]
    """
    if not 0 <= longest <= LIMIT:
        raise DecompositionError(f"code points: longest is {longest} bits, wanted 0..{LIMIT}")
    points = CodePoints(np.asarray(prior.inverse(_shares(longest)), np.float64), longest)
    rising = points.values[points.rising()]
    if not np.isfinite(rising).all() or (np.diff(rising) < 0).any():
        raise DecompositionError("prior: quantiles fall or are not finite, wanted rising numbers")
    if longest and rising[0] == rising[-1]:
        raise DecompositionError(f"prior: has no width, all its quantiles are {rising[0]}")
    points.values.setflags(write=False)
    return points


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The code point of each coordinate.

    Parameters
    ----------
    points : int32, any shape, numbers of points as in ``CodePoints``; 0 is the prior's median
    values : float64, the same shape
    lengths : int64, the same shape, bits n of each point
    """

    points: np.ndarray
    values: np.ndarray
    lengths: np.ndarray


def quantize(
    mu: np.ndarray,
    sigma: np.ndarray | float,
    prior: Prior,
    penalty: float,
    longest: int = LONGEST,
    passes: int = 2,
) -> Chosen:
    """The cheapest code point of each coordinate; of equals the shortest, then the lowest.

    Parameters
    ----------
    mu : float, any shape, finite: posterior means
    sigma : float, finite and > 0: posterior standard deviations, of the shape of ``mu`` or one
    prior : Prior
    penalty : lambda >= 0, per bit, in nats of the posterior's density
    longest : N, bits of the finest points, 0..15
    passes : in all but the first, the points of a length cost -log2 of how often it was chosen in
        the pass before (plus 1 each) on top of their bits, as the authors' image code has it

    Raises
    ------
    DecompositionError
        If shapes or numbers are not so.

    Notes
    -----
    With one pass no larger penalty takes more bits together.

    Examples
    --------
    >>> from escalate.compressors.priors import Gaussian
    >>> mu, sigma = np.array([0.7, 0.7, 0.7]), np.array([0.01, 0.2, 5.0])
    >>> found = quantize(mu, sigma, Gaussian(1.0), 0.5, passes=1)
    >>> found.lengths.tolist(), found.values.round(3).tolist()
    ([6, 1, 0], [0.699, 0.674, 0.0])
    """
    return choose(mu, sigma, code_points(prior, longest), penalty, passes)


def choose(
    mu: np.ndarray,
    sigma: np.ndarray | float,
    grid: CodePoints,
    penalty: float,
    passes: int = 2,
) -> Chosen:
    """As ``quantize``, among points that were made before.

    Examples
    --------
    >>> from escalate.compressors.priors import Quantiles
    >>> grid = code_points(Quantiles(np.array([0.0, 8.0])), 2)
    >>> choose(np.array([1.2, 4.4]), 1.0, grid, penalty=0.0).values.tolist()
    [1.0, 4.0]
    """
    means, deviations = np.asarray(mu, np.float64), np.asarray(sigma, np.float64)
    check_posterior(means, deviations)
    if not 0 <= penalty < np.inf:
        raise DecompositionError(f"penalty: lambda is {penalty}, wanted finite and >= 0")
    if passes < 1:
        raise DecompositionError(f"passes: {passes}, wanted 1 or more")
    bits = np.arange(grid.longest + 1.0)
    for _ in range(passes):
        points = cheapest(means, deviations, grid, penalty * bits)
        lengths = grid.lengths(points)
        bits = length_bits(lengths, grid.longest)
    return Chosen(points, np.asarray(grid.values[points]), lengths)


def check_posterior(mu: np.ndarray, sigma: np.ndarray | float) -> None:
    """Refuse what is no mean and standard deviation of every coordinate.

    Raises
    ------
    DecompositionError
        If shapes differ, a mean is not finite, or a deviation is not finite and above 0.
    """
    if np.shape(sigma) not in ((), mu.shape):
        raise DecompositionError(
            f"deviations: are {np.shape(sigma)}, wanted one, or the means' shape {mu.shape}"
        )
    if not np.isfinite(mu).all():
        raise DecompositionError("means: one is not finite")
    fine = np.isfinite(sigma) & (np.asarray(sigma) > 0)
    if not fine.all():
        wrong = np.asarray(sigma)[~fine].flat[0]
        raise DecompositionError(f"deviations: one is {wrong}, wanted finite and above 0")
    farthest, least = float(np.abs(mu).max(initial=0)), float(np.min(sigma, initial=1.0))
    if farthest / least > MOST_DEVIATIONS:
        raise DecompositionError(
            f"deviations: one is {least}, too small for means up to {farthest}"
        )


def distortion(mu: np.ndarray, sigma: np.ndarray | float, values: np.ndarray) -> np.ndarray:
    """(z - mu)^2 / (2 sigma^2) of values z, in nats, float64.

    Examples
    --------
    >>> distortion(np.array([1.0, 1.0]), 0.5, np.array([1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    moves = np.asarray(values, np.float64) - mu
    found: np.ndarray = 0.5 * (moves / sigma) ** 2
    return found


def length_bits(lengths: np.ndarray, longest: int) -> np.ndarray:
    """Bits of the points of each length: its own and -log2 of its share, counts smoothed by 1.

    Returns
    -------
    float64, shape (N + 1,)

    Examples
    --------
    >>> length_bits(np.array([0, 0, 0, 0, 0, 1]), 1).tolist()
    [0.4150374992788438, 3.0]
    """
    counts = np.bincount(np.ravel(lengths), minlength=longest + 1) + 1
    own = np.arange(longest + 1.0)
    found: np.ndarray = own - np.log2(counts / counts.sum())
    return found


def cheapest(mu: np.ndarray, sigma: np.ndarray, grid: CodePoints, prices: np.ndarray) -> np.ndarray:
    """Numbers of the points with the least distortion and price of their length; int32.

    Parameters
    ----------
    mu, sigma : float64, as for ``quantize``
    grid : CodePoints
    prices : float64, shape (N + 1,), finite, in nats, of points of 0..N bits

    Examples
    --------
    >>> from escalate.compressors.priors import Quantiles
    >>> grid = code_points(Quantiles(np.array([0.0, 8.0])), 1)  # 4; 2 and 6
    >>> cheapest(np.array([2.9, 2.9]), np.array([1.0, 0.5]), grid, np.array([0.0, 0.5])).tolist()
    [0, 1]
    """
    flat, deviations = mu.ravel(), np.broadcast_to(sigma, mu.shape).ravel()
    ranks = np.searchsorted(grid.values[grid.rising()], flat, side="right")
    points = np.empty(flat.size, np.int32)
    for start in range(0, flat.size, BLOCK):
        part = slice(start, start + BLOCK)
        points[part] = _block(flat[part], deviations[part], ranks[part], grid, prices)
    return points.reshape(mu.shape)


def _block(
    mu: np.ndarray, sigma: np.ndarray, ranks: np.ndarray, grid: CodePoints, prices: np.ndarray
) -> np.ndarray:
    """Numbers of the cheapest points of vectors; ``ranks`` count the points up to each mean.

    In rising order the points of n bits are every 2^(N-n)-th of odd place, counted from 1.
    """
    best = np.zeros(mu.size, np.int64)
    least = np.full(mu.size, np.inf)
    for n in range(grid.longest + 1):
        level = grid.values[(1 << n) - 1 : (2 << n) - 1]
        below = ((ranks >> (grid.longest - n)) - 1) >> 1  # -1 where all of this length are above
        low, high = np.maximum(below, 0), np.minimum(below + 1, level.size - 1)
        down, up = np.abs(level[low] - mu), np.abs(level[high] - mu)
        cost = 0.5 * (np.minimum(down, up) / sigma) ** 2 + prices[n]
        better = cost < least
        least = np.where(better, cost, least)
        best = np.where(better, np.where(up < down, high, low) + level.size - 1, best)
    return best
