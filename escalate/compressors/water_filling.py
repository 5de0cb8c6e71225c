"""water_filling: the rate that a Gaussian, linearized, diagonal model needs for a distortion.

Theorems 2 and 3 of Gao, Liu, Wang, Oh (ICML 2019): weights are independent Gaussians, an error
of weight i costs lam_i times its square.  For such a source it is the least rate there is; for a
deep network it is a reference curve and not a bound.
"""

from dataclasses import dataclass

import numpy as np

from escalate.errors import DecompositionError


@dataclass(frozen=True, slots=True, eq=False)
class WaterLevel:
    """Which error each weight gets.

    Parameters
    ----------
    level : mu
    errors : D_i = min(mu / lam_i, E w_i^2), float64, of the weights' shape
    bits : of all weights together
    """

    level: float
    errors: np.ndarray
    bits: float


def water_filling(costs: np.ndarray, powers: np.ndarray, distortion: float) -> WaterLevel:
    """Fill the weights with errors up to one level until their costs sum to ``distortion``.

    Parameters
    ----------
    costs : lam, float >= 0, any shape
    powers : E w^2, float > 0, the same shape
    distortion : D = sum lam_i D_i, above 0; more than sum lam_i E w_i^2 costs nothing

    Raises
    ------
    DecompositionError
        If shapes or numbers are not so.

    Examples
    --------
    >>> found = water_filling(np.array([4, 1, 0.25]), np.array([1, 2, 0.5]), 1.5)
    >>> found.level, found.errors.tolist(), round(found.bits, 7)
    (0.6875, [0.171875, 0.6875, 0.5], 2.0405684)
    """
    if costs.shape != powers.shape or not ((costs >= 0).all() and (powers > 0).all()):
        raise DecompositionError(
            f"water filling: costs {costs.shape} and powers {powers.shape}, wanted one shape, "
            "costs >= 0 and powers > 0"
        )
    if not distortion > 0:
        raise DecompositionError(f"water filling: distortion is {distortion}, wanted above 0")
    full = (costs * powers).ravel().astype(np.float64)
    rims = np.sort(full)
    below = np.concatenate([[0.0], np.cumsum(rims)[:-1]])
    # With mu at rim i, what is below it is full and everything else holds mu.
    held = below + rims * np.arange(rims.size, 0, -1)
    place = int(np.searchsorted(held, distortion))
    if place == rims.size:
        level = float(rims[-1]) if rims.size else 0.0
    else:
        level = float((distortion - below[place]) / (rims.size - place))
    shares = np.where(costs * powers > level, level / np.where(costs > 0, costs, 1.0), powers)
    errors = np.minimum(shares, powers)
    return WaterLevel(level, errors, float(0.5 * np.log2(powers / errors).sum()))
