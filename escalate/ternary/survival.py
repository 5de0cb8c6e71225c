"""Survival: which coefficients stay, by a threshold or by a density target."""

from dataclasses import dataclass

import numpy as np

from escalate.errors import DecompositionError


def thresholds_at(coefficients: np.ndarray, threshold: float) -> np.ndarray:
    """Per output channel, ``threshold`` times the channel's largest magnitude.

    Assumption: the largest magnitude is taken per output channel, because folding the batch norm
    gives every channel a magnitude of its own.

    Parameters
    ----------
    coefficients : float, shape (K, C/groups, M)
    threshold : float in [0, 1), dimensionless

    Returns
    -------
    float64, shape (K,)

    Raises
    ------
    DecompositionError
        If ``threshold`` is out of range.

    Examples
    --------
    >>> thresholds_at(np.array([[[4.0, -8.0]], [[1.0, 0.0]]]), 0.25).tolist()
    [2.0, 0.25]
    """
    if not 0 <= threshold < 1:
        raise DecompositionError(f"threshold is {threshold}, wanted a number in [0, 1)")
    largest: np.ndarray = np.abs(coefficients.astype(np.float64)).max(axis=(1, 2))
    return largest * threshold


def thresholds_for_density(coefficients: np.ndarray, density: float) -> np.ndarray:
    """Thresholds that keep the share ``density`` of the layer's coefficients.

    Assumption: magnitudes compete within the layer after division by their output channel's root
    mean square, for the reason given at ``thresholds_at``.

    Parameters
    ----------
    coefficients : float, shape (K, C/groups, M)
    density : float in (0, 1]

    Returns
    -------
    float64, shape (K,)

    Raises
    ------
    DecompositionError
        If ``density`` is out of range.

    Examples
    --------
    >>> from escalate.ternary.ternary import ternarize
    >>> weights = np.array([[[4.0, 1.0]], [[0.1, 0.4]]])
    >>> ternarize(weights, thresholds_for_density(weights, 0.5)).tolist()
    [[[1, 0]], [[0, 1]]]
    """
    if not 0 < density <= 1:
        raise DecompositionError(f"density is {density}, wanted a number in (0, 1]")
    magnitudes = np.abs(coefficients.astype(np.float64))
    typical = np.sqrt((magnitudes**2).mean(axis=(1, 2)))
    relative = (magnitudes / np.where(typical > 0, typical, 1.0)[:, None, None]).ravel()
    dropped = relative.size - max(1, round(density * relative.size))
    if dropped == 0:
        return np.zeros_like(typical)
    largest_dropped, smallest_kept = np.partition(relative, [dropped - 1, dropped])[
        dropped - 1 : dropped + 1
    ].tolist()
    return typical * (largest_dropped + smallest_kept) / 2


def eased_density(density: float, ease: float) -> float:
    """A density while it is still being lowered: 1 at ``ease`` 1, itself at 0.

    It falls with the cube of ``ease``, fast while there is much to choose from (Zhu and Gupta,
    arXiv 1710.01878).

    Examples
    --------
    >>> eased_density(0.5, 0.5)
    0.5625
    """
    return density + (1 - density) * ease**3


@dataclass(frozen=True, slots=True)
class Survival:
    """The rule that decides which coefficients stay: coefficients (K, C/groups, M) to
    thresholds (K,).

    Parameters
    ----------
    density : share of the layer's coefficients, see ``thresholds_for_density``
    threshold : instead of it, see ``thresholds_at``

    Raises
    ------
    DecompositionError
        If not exactly one of the two is given.

    Examples
    --------
    >>> Survival(density=0.5).eased(0.5).density
    0.5625
    """

    density: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if (self.density is None) == (self.threshold is None):
            raise DecompositionError("survival: wanted either a density or a threshold")

    def __call__(self, coefficients: np.ndarray) -> np.ndarray:
        """The thresholds of these coefficients."""
        if self.threshold is not None:
            return thresholds_at(coefficients, self.threshold)
        assert self.density is not None
        return thresholds_for_density(coefficients, self.density)

    def eased(self, ease: float) -> "Survival":
        """The rule while not yet in full force: nothing dropped at ``ease`` 1, itself at 0."""
        if self.threshold is not None:
            return Survival(threshold=self.threshold * (1 - ease))
        assert self.density is not None
        return Survival(density=eased_density(self.density, ease))

    def thinned(self, share: float) -> "Survival":
        """The rule that keeps ``share`` as many coefficients; only a density can be thinned.

        Examples
        --------
        >>> Survival(density=0.5).thinned(0.5), Survival(threshold=0.1).thinned(1.0)
        (Survival(density=0.25, threshold=None), Survival(density=None, threshold=0.1))
        """
        if share == 1:
            return self
        assert self.density is not None
        return Survival(density=self.density * share)
