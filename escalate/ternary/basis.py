"""Basis, Coefficients, DecomposedLayer: a layer's weights as mixtures of a few small kernels."""

from dataclasses import dataclass

import numpy as np

from escalate.errors import DecompositionError


def check_array(name: str, field: str, array: np.ndarray, dimensions: int) -> None:
    """Refuse what is not a finite float32 array of that many dimensions; make it read-only.

    Raises
    ------
    DecompositionError
        Naming layer, field, what came and what was wanted.

    Examples
    --------
    >>> check_array("conv1", "coefficients", np.zeros((2, 3, 1), np.float32), 3)
    """
    if array.dtype != np.float32 or array.ndim != dimensions or array.size == 0:
        raise DecompositionError(
            f"{name}: {field} is {array.dtype} of shape {array.shape}, "
            f"wanted a non-empty float32 array of {dimensions} dimensions"
        )
    if not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0].tolist()
        raise DecompositionError(f"{name}: {field} at {where} is not a finite number")
    array.setflags(write=False)


@dataclass(frozen=True, slots=True, eq=False)
class DecomposedLayer:
    """W[k,c] = sum over m of Ce[k,c,m] B[m].

    Parameters
    ----------
    name : the layer
    basis : float32, shape (M, R, S), the small kernels B that all channels share
    coefficients : float32, shape (K, C/groups, M), the mixing weights Ce

    Raises
    ------
    DecompositionError
        If an array is not finite float32 of that shape, or the two disagree on M, or M > R*S.

    Examples
    --------
    >>> layer = DecomposedLayer("conv1", np.eye(4, dtype=np.float32).reshape(4, 2, 2)[:2],
    ...                         np.array([[[3, 5]]], np.float32))
    >>> layer.reconstruct().tolist()
    [[[[3.0, 5.0], [0.0, 0.0]]]]
    """

    name: str
    basis: np.ndarray
    coefficients: np.ndarray

    def __post_init__(self) -> None:
        check_array(self.name, "basis", self.basis, 3)
        check_array(self.name, "coefficients", self.coefficients, 3)
        if self.coefficients.shape[2] != self.M:
            raise DecompositionError(
                f"{self.name}: coefficients hold {self.coefficients.shape[2]} basis kernels, "
                f"the basis has {self.M}"
            )
        taps = self.basis.shape[1] * self.basis.shape[2]
        if taps < self.M:
            raise DecompositionError(
                f"{self.name}: basis holds M = {self.M} kernels, wanted 1..{taps}"
            )

    @property
    def M(self) -> int:
        """Number of basis kernels."""
        return self.basis.shape[0]

    def reconstruct(self) -> np.ndarray:
        """The weights, float32 of shape (K, C/groups, R, S)."""
        weights: np.ndarray = np.tensordot(self.coefficients, self.basis, axes=1)
        return weights
