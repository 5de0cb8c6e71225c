"""Ternary layers: signs of the coefficients that survive, their scales, and the refitted basis."""

from dataclasses import dataclass, replace

import numpy as np

from escalate.errors import DecompositionError
from escalate.ternary.basis import DecomposedLayer, check_array
from escalate.ternary.scales import Fit, divide, fit_scales

REFIT_SWEEPS = 10


def ternarize(coefficients: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """The signs of the coefficients above their threshold, int8.

    Thresholds have the shape (K,), or (K, C/groups) where input channels differ in weight.

    Examples
    --------
    >>> ternarize(np.array([[[0.5, -0.1, -0.7]]]), np.array([0.2])).tolist()
    [[[1, 0, -1]]]
    """
    limits = thresholds.reshape(*thresholds.shape, *[1] * (3 - thresholds.ndim))
    kept = np.abs(coefficients) > limits
    return np.where(kept, np.sign(coefficients), 0).astype(np.int8)


@dataclass(frozen=True, slots=True, eq=False)
class TernaryLayer:
    """W[k,c] ~ a[k] sum over m of b[m] s T[k,c,m] Bf[m], and s is alpha[k,m], or p or n, or 1.

    Parameters
    ----------
    name : the layer
    signs : int8 in -1, 0, +1, shape (K, C/groups, M), T above
    filter_scales : float32, shape (K,), a above
    basis_scales : float32, shape (M,), b above
    basis : float32, shape (M, R, S), Bf above
    thresholds : float64, shape (K,) or (K, C/groups); T is the sign of what exceeded them
    pairs : float32, shape (K, M), the factors alpha, or None
    sides : (p, n): T counts p times where it is +1 and n times where it is -1

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
    pairs: np.ndarray | None = None
    sides: tuple[float, float] = (1.0, 1.0)

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

    def mixing(self) -> np.ndarray:
        """What multiplies the scaled basis, float64 of shape (K, C/groups, M)."""
        scaled = np.where(self.signs > 0, self.sides[0], self.sides[1]) * self.signs
        if self.pairs is not None:
            scaled = scaled * self.pairs[:, None, :]
        return scaled * self.filter_scales.astype(np.float64)[:, None, None]

    def reconstruct(self) -> np.ndarray:
        """The weights, float32 of shape (K, C/groups, R, S)."""
        kernels = self.basis * self.basis_scales[:, None, None]
        weights: np.ndarray = np.tensordot(self.mixing().astype(np.float32), kernels, axes=1)
        return weights

    def squared_error(self, weights: np.ndarray) -> float:
        """Sum of (W - reconstruct)^2 over weights of shape (K, C/groups, R, S)."""
        return float(((weights.astype(np.float64) - self.reconstruct()) ** 2).sum())


def ternary_layer(
    layer: DecomposedLayer,
    thresholds: np.ndarray,
    fit: Fit = fit_scales,
    importance: np.ndarray | None = None,
) -> TernaryLayer:
    """Ternarize a decomposed layer and fit its scales.

    Parameters
    ----------
    layer : DecomposedLayer
    thresholds : float64, shape (K,) or (K, C/groups)
    fit : finds the scales, ``scales.fit_scales`` or another granularity's
    importance : float >= 0, shape (K, C/groups), weights of the squared errors; None for 1

    Examples
    --------
    >>> from escalate.ternary.decompose import decompose
    >>> layer = decompose("fc", np.array([[[[2.0]], [[-2.0]], [[0.1]]]], np.float32), 1)
    >>> ternary_layer(layer, np.array([1.0])).reconstruct().ravel().tolist()
    [2.0, -2.0, 0.0]
    """
    signs = ternarize(layer.coefficients, thresholds)
    found = fit(layer.coefficients, signs, importance)
    pairs = None
    if found.pair_scales is not None:
        pairs = divide(found.pair_scales, np.repeat(found.filter_scales[:, None], layer.M, axis=1))
    return TernaryLayer(
        layer.name,
        signs,
        found.filter_scales.astype(np.float32),
        found.basis_scales.astype(np.float32),
        layer.basis,
        thresholds,
        None if pairs is None else pairs.astype(np.float32),
        found.sides,
    )


def refit(
    layer: TernaryLayer,
    weights: np.ndarray,
    sweeps: int = REFIT_SWEEPS,
    importance: np.ndarray | None = None,
    *,
    shared: bool = False,
) -> TernaryLayer:
    """Move basis and scales, signs kept, to the least squares of the weights themselves.

    Alternates the closed forms for the kernels b[m] Bf[m] (given a) and for a (given the
    kernels); the squared error never rises.  A kernel that no coefficient uses keeps its place
    with scale 0.  The basis comes back with kernels of norm 1, as the SVD gives them.

    Parameters
    ----------
    layer : TernaryLayer
    weights : float, shape (K, C/groups, R, S)
    sweeps : int >= 1
    importance : float >= 0, shape (K, C/groups), weights of the squared errors; None for 1
    shared : change a[k] by one common factor only

    Examples
    --------
    >>> from escalate.ternary.decompose import decompose
    >>> weights = np.random.default_rng(1).normal(size=(8, 4, 3, 3)).astype(np.float32)
    >>> rough = ternary_layer(decompose("conv1", weights, 4), np.full(8, 0.8))
    >>> refit(rough, weights).squared_error(weights) < rough.squared_error(weights)
    True
    """
    K, channels, M = layer.signs.shape
    h = np.ones((K, channels)) if importance is None else importance
    rows = weights.reshape(K, channels, -1).astype(np.float64)
    filters = layer.filter_scales.astype(np.float64)
    unscaled = replace(layer, filter_scales=np.ones(K, np.float32)).mixing()
    used = np.abs(layer.signs).sum(axis=(0, 1)) > 0
    kernels = np.where(used[:, None], layer.basis.reshape(M, -1).astype(np.float64), 0.0)
    # Sums over c once: what a sweep needs is of size K x M x M and K x M x R*S only.
    gram = np.einsum("kcm,kc,kcn->kmn", unscaled, h, unscaled, optimize=True)
    cross = np.einsum("kcm,kc,kcr->kmr", unscaled, h, rows, optimize=True)
    for _ in range(sweeps):
        left = np.tensordot(filters**2, gram, 1)[np.ix_(used, used)]
        right = np.tensordot(filters, cross, 1)[used]
        kernels[used] = np.linalg.lstsq(left, right, rcond=None)[0]
        above = np.einsum("kmr,mr->k", cross, kernels)
        below = np.einsum("kmn,mn->k", gram, kernels @ kernels.T)
        if shared:
            gain, weight = float(filters @ above), float(filters**2 @ below)
            filters = filters * (gain / weight if weight > 0 else 0.0)
        else:
            filters = divide(above, below)
    norms = np.linalg.norm(kernels, axis=1)
    unit, unused = divide(kernels, norms[:, None]), layer.basis.reshape(M, -1)
    basis = np.where(norms[:, None] > 0, unit, unused)
    return replace(
        layer,
        filter_scales=filters.astype(np.float32),
        basis_scales=norms.astype(np.float32),
        basis=basis.reshape(layer.basis.shape).astype(np.float32),
    )
