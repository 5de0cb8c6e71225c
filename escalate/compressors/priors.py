"""priors: which values are likely before any is seen, as quantile functions.

A prior is known by its inverse CDF, which must not fall.  Those here give the same float64 on every
machine, because a decoder makes its code points from them: of the two functions that differ in
their last digits between libraries, logarithm and normal quantile, none is used unrounded.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import ndtri

from escalate.errors import DecompositionError

# Normal quantiles are rounded to this step.  No share i / 2^16 lies so near the middle between two
# multiples that a last digit could decide which of them it becomes.
NORMAL_STEP = 2.0**-24


class Prior(Protocol):
    """A distribution of real numbers."""

    def inverse(self, shares: np.ndarray) -> np.ndarray:
        """The values below which these shares of the mass lie; float64, not falling."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A normal distribution around 0.

    Parameters
    ----------
    deviation : standard deviation, in the values' unit, finite and > 0

    Raises
    ------
    DecompositionError
        If the deviation is not so.
    """

    deviation: float

    def __post_init__(self) -> None:
        if not 0 < self.deviation < np.inf:
            raise DecompositionError(
                f"prior: deviation is {self.deviation}, wanted finite and above 0"
            )

    @classmethod
    def of(cls, values: np.ndarray) -> "Gaussian":
        """That with the root mean square of ``values``, float, any shape.

        Raises
        ------
        DecompositionError
            If there are no values, all are 0, or one is not finite.

        Examples
        --------
        >>> Gaussian.of(np.array([3.0, -4.0, 0.0, 0.0]))
        Gaussian(deviation=2.5)
        """
        if not values.size:
            raise DecompositionError("prior: no values to take it from")
        largest = float(np.abs(values).max())
        if not 0 < largest < np.inf:
            raise DecompositionError(
                f"prior: values up to {largest}, wanted finite ones and one that is not 0"
            )
        return cls(largest * float(np.sqrt(np.mean((values / largest) ** 2, dtype=np.float64))))

    def inverse(self, shares: np.ndarray) -> np.ndarray:
        """Quantiles, float64 of the shape of ``shares``, which are 0 < xi < 1.

        Examples
        --------
        >>> Gaussian(2.0).inverse(np.array([0.5, 0.75])).round(6).tolist()
        [0.0, 1.348979]
        """
        standard: np.ndarray = np.rint(ndtri(shares) / NORMAL_STEP) * NORMAL_STEP
        return self.deviation * standard


@dataclass(frozen=True, slots=True, eq=False)
class Quantiles:
    """A distribution of any form: its CDF is linear between quantiles at even shares.

    Parameters
    ----------
    knots : float64, shape (K,), K >= 2, finite, not falling: the values below which the shares
        0, 1/(K-1), .. 1 lie

    Raises
    ------
    DecompositionError
        If the knots are not so.
    """

    knots: np.ndarray

    def __post_init__(self) -> None:
        knots = np.array(self.knots, np.float64)
        if knots.ndim != 1 or knots.size < 2 or not np.isfinite(knots).all():
            raise DecompositionError(
                f"prior: knots of shape {knots.shape}, wanted two or more finite numbers"
            )
        if (np.diff(knots) < 0).any():
            raise DecompositionError(
                f"prior: knot {int(np.argmax(np.diff(knots) < 0)) + 1} is below the one before"
            )
        knots.setflags(write=False)
        object.__setattr__(self, "knots", knots)

    @classmethod
    def of(cls, values: np.ndarray, count: int) -> "Quantiles":
        """That of ``values``, float, any shape, with ``count`` knots rounded to float32.

        Examples
        --------
        >>> Quantiles.of(np.array([1.0, 2.0, 5.0]), 3).knots.tolist()
        [1.0, 2.0, 5.0]
        """
        if not values.size:
            raise DecompositionError("prior: no values to take it from")
        return cls(np.quantile(values, np.linspace(0, 1, count)).astype(np.float32))

    def inverse(self, shares: np.ndarray) -> np.ndarray:
        """Quantiles, float64 of the shape of ``shares``, which are 0 < xi < 1.

        Examples
        --------
        >>> Quantiles(np.array([0.0, 1.0, 5.0])).inverse(np.array([0.25, 0.75])).tolist()
        [0.5, 3.0]
        """
        places = shares * (self.knots.size - 1)
        left = np.minimum(places.astype(np.int64), self.knots.size - 2)
        rise = np.diff(self.knots)[left] * (places - left)  # not np.interp, which may fuse the two
        found: np.ndarray = self.knots[left] + rise
        return found
