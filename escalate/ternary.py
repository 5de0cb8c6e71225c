"""Ternary coefficients with separable scales: Ce[k,c,m] ~ a[k] b[m] T[k,c,m], T in -1, 0, +1.

Two rules choose which coefficients survive (``thresholds_at``, ``thresholds_for_density``), one
closed form alternates the scales (``fit_scales``), and ``refit`` moves the basis itself.
"""

from dataclasses import dataclass, replace

import numpy as np

from escalate.basis import DecomposedLayer, check_array
from escalate.errors import DecompositionError

SETTLED = 1e-9  # relative fall of the squared error below which an alternation has stopped
MOST_SWEEPS = 200


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
    largest_dropped = float(np.partition(relative, dropped - 1)[dropped - 1])
    smallest_kept = float(np.partition(relative, dropped)[dropped])
    return typical * (largest_dropped + smallest_kept) / 2


def ternarize(coefficients: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """The signs of the coefficients above their output channel's threshold, int8.

    Examples
    --------
    >>> ternarize(np.array([[[0.5, -0.1, -0.7]]]), np.array([0.2])).tolist()
    [[[1, 0, -1]]]
    """
    kept = np.abs(coefficients) > thresholds[:, None, None]
    return np.where(kept, np.sign(coefficients), 0).astype(np.int8)


@dataclass(frozen=True, slots=True, eq=False)
class ScaleFit:
    """Scales found by ``fit_scales`` and the squared error after each sweep.

    Parameters
    ----------
    filter_scales : float64, shape (K,), the scales a; 0 exactly where a whole channel vanished
    basis_scales : float64, shape (M,), the scales b, the largest of them 1; 0 where vanished
    squared_errors : sum over all coefficients of (Ce - a b T)^2, before the first sweep
        (a = 0) and after each; it never rises
    """

    filter_scales: np.ndarray
    basis_scales: np.ndarray
    squared_errors: tuple[float, ...]


def _divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotient where the divisor is positive, 0 elsewhere."""
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)


def fit_scales(coefficients: np.ndarray, signs: np.ndarray) -> ScaleFit:
    """Least-squares scales a[k], b[m] for given signs, in turn until the error stops falling.

    Parameters
    ----------
    coefficients : float, shape (K, C/groups, M)
    signs : int8 in -1, 0, +1, same shape

    Notes
    -----
    With D[k,m] = sum_c Ce T and N[k,m] = sum_c T^2 both halves of a sweep are closed forms:
    a = (D b) / (N b^2) and b = (a D) / (a^2 N).

    Examples
    --------
    >>> signs = np.array([[[1, -1]], [[1, 0]]], np.int8)
    >>> fit = fit_scales(np.array([[[6.0, -3.0]], [[2.0, 0.0]]]), signs)
    >>> fit.filter_scales.round(6).tolist(), fit.basis_scales.round(6).tolist()
    ([6.0, 2.0], [1.0, 0.5])
    """
    exact = coefficients.astype(np.float64)
    signed_sum = (exact * signs).sum(axis=1)
    count = np.abs(signs).sum(axis=1, dtype=np.float64)
    total = float((exact**2).sum())
    basis_scales = np.ones(exact.shape[2])
    errors = [total]
    for _ in range(MOST_SWEEPS):
        filter_scales = _divide(signed_sum @ basis_scales, count @ basis_scales**2)
        basis_scales = _divide(filter_scales @ signed_sum, filter_scales**2 @ count)
        gain = 2 * filter_scales @ signed_sum @ basis_scales
        errors.append(total - float(gain - filter_scales**2 @ count @ basis_scales**2))
        if errors[-2] - errors[-1] <= SETTLED * total:
            break
    largest = basis_scales.max(initial=0.0) or 1.0
    return ScaleFit(filter_scales * largest, basis_scales / largest, tuple(errors))


@dataclass(frozen=True, slots=True, eq=False)
class TernaryLayer:
    """W[k,c] ~ a[k] sum over m of b[m] T[k,c,m] Bf[m].

    Parameters
    ----------
    name : the layer
    signs : int8 in -1, 0, +1, shape (K, C/groups, M), T above
    filter_scales : float32, shape (K,), a above
    basis_scales : float32, shape (M,), b above
    basis : float32, shape (M, R, S), Bf above
    thresholds : float64, shape (K,); T is the sign of what exceeded them

    Raises
    ------
    DecompositionError
        If an array has the wrong type or shape, or holds NaN or infinity.
    """

    name: str
    signs: np.ndarray
    filter_scales: np.ndarray
    basis_scales: np.ndarray
    basis: np.ndarray
    thresholds: np.ndarray

    def __post_init__(self) -> None:
        check_array(self.name, "basis", self.basis, 3)
        check_array(self.name, "filter scales", self.filter_scales, 1)
        check_array(self.name, "basis scales", self.basis_scales, 1)
        wanted = (self.filter_scales.size, self.basis_scales.size)
        if self.signs.ndim != 3 or (self.signs.shape[0], self.signs.shape[2]) != wanted:
            raise DecompositionError(
                f"{self.name}: signs have shape {self.signs.shape}, "
                f"wanted ({wanted[0]}, C/groups, {wanted[1]})"
            )
        if self.basis.shape[0] != wanted[1]:
            raise DecompositionError(
                f"{self.name}: the basis holds {self.basis.shape[0]} kernels, "
                f"the scales {wanted[1]}"
            )
        self.signs.setflags(write=False)
        self.thresholds.setflags(write=False)

    @property
    def density(self) -> float:
        """Share of coefficients that are not zero."""
        return float(np.count_nonzero(self.signs)) / self.signs.size

    def reconstruct(self) -> np.ndarray:
        """The weights, float32 of shape (K, C/groups, R, S)."""
        kernels = self.basis * self.basis_scales[:, None, None]
        mixed = np.tensordot(self.signs.astype(np.float32), kernels, axes=1)
        weights: np.ndarray = mixed * self.filter_scales[:, None, None, None]
        return weights

    def squared_error(self, weights: np.ndarray) -> float:
        """Sum of (W - reconstruct)^2 over weights of shape (K, C/groups, R, S)."""
        return float(((weights.astype(np.float64) - self.reconstruct()) ** 2).sum())


def ternary_layer(layer: DecomposedLayer, thresholds: np.ndarray) -> TernaryLayer:
    """Ternarize a decomposed layer and fit its scales.

    Examples
    --------
    >>> from escalate.decompose import decompose
    >>> layer = decompose("fc", np.array([[[[2.0]], [[-2.0]], [[0.1]]]], np.float32), 1)
    >>> ternary_layer(layer, np.array([1.0])).reconstruct().ravel().tolist()
    [2.0, -2.0, 0.0]
    """
    signs = ternarize(layer.coefficients, thresholds)
    fit = fit_scales(layer.coefficients, signs)
    return TernaryLayer(
        layer.name,
        signs,
        fit.filter_scales.astype(np.float32),
        fit.basis_scales.astype(np.float32),
        layer.basis,
        thresholds,
    )


def refit(layer: TernaryLayer, weights: np.ndarray, sweeps: int = 10) -> TernaryLayer:
    """Move basis and scales, signs kept, to the least squares of the weights themselves.

    Alternates the closed forms for the kernels b[m] Bf[m] (given a) and for a (given the
    kernels); the squared error never rises.  A kernel that no coefficient uses keeps its place
    with scale 0.  The basis comes back with kernels of norm 1, as the SVD gives them.

    Parameters
    ----------
    layer : TernaryLayer
    weights : float, shape (K, C/groups, R, S)
    sweeps : int >= 1

    Examples
    --------
    >>> from escalate.decompose import decompose
    >>> weights = np.random.default_rng(1).normal(size=(8, 4, 3, 3)).astype(np.float32)
    >>> rough = ternary_layer(decompose("conv1", weights, 4), np.full(8, 0.8))
    >>> refit(rough, weights).squared_error(weights) < rough.squared_error(weights)
    True
    """
    K, channels, M = layer.signs.shape
    signs = layer.signs.astype(np.float64)
    targets = weights.reshape(K, channels, -1).astype(np.float64)
    filters = layer.filter_scales.astype(np.float64)
    used = np.abs(signs).sum(axis=(0, 1)) > 0
    kernels = layer.basis.reshape(M, -1).astype(np.float64)
    for _ in range(sweeps):
        mixing = (signs * filters[:, None, None]).reshape(K * channels, M)[:, used]
        gram, cross = mixing.T @ mixing, mixing.T @ targets.reshape(K * channels, -1)
        kernels[used] = np.linalg.lstsq(gram, cross, rcond=None)[0]
        mixed = np.where(used, signs, 0.0) @ kernels
        filters = _divide((mixed * targets).sum(axis=(1, 2)), (mixed**2).sum(axis=(1, 2)))
    norms = np.where(used, np.linalg.norm(kernels, axis=1), 0.0)
    unit = np.where((norms > 0)[:, None], kernels / np.where(norms > 0, norms, 1.0)[:, None], 0.0)
    basis = np.where((norms > 0)[:, None], unit, layer.basis.reshape(M, -1))
    return replace(
        layer,
        filter_scales=filters.astype(np.float32),
        basis_scales=norms.astype(np.float32),
        basis=basis.reshape(layer.basis.shape).astype(np.float32),
    )
