"""LayerWeights: the stored integers of a layer's weights."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class LayerWeights:
    """The integers of one layer: ``weights`` (int8) or ``coefficients`` with a ``basis``.

    Shapes and meanings as in ``workloads.tensors.LayerTensors``.
    """

    weights: np.ndarray | None = None
    basis: np.ndarray | None = None
    coefficients: np.ndarray | None = None
    alpha: np.ndarray | None = None
    two_sided: tuple[int, int] | None = None

    def scaled_coefficients(self) -> np.ndarray:
        """T, or alpha T, or p and -n in place of +1 and -1; int32 (K, C/groups, M).

        Examples
        --------
        >>> signs = np.array([[[1], [0], [-1]]], np.int8)
        >>> sided = LayerWeights(coefficients=signs, two_sided=(3, 2))
        >>> sided.scaled_coefficients().ravel().tolist()
        [3, 0, -2]
        """
        assert self.coefficients is not None
        signs = self.coefficients.astype(np.int32)
        if self.alpha is not None:
            return signs * self.alpha.astype(np.int32)[:, None, :]
        if self.two_sided is not None:
            positive, negative = self.two_sided
            return np.where(signs > 0, np.int32(positive), np.int32(negative)) * signs
        return signs

    def dense(self) -> np.ndarray:
        """The integer weights, int32 of shape (K, C/groups, R, S).

        Examples
        --------
        >>> LayerWeights(coefficients=np.array([[[1]], [[-1]]], np.int8)).dense().ravel().tolist()
        [1, -1]
        """
        if self.weights is not None:
            return self.weights.astype(np.int32)
        coefficients = self.scaled_coefficients()
        if self.basis is None:
            return coefficients[:, :, :, None]
        # In float32, which is far faster: a sum of M products of at most 255 * 127 each is exact
        # below 2^24, that is up to M = 518.
        flat = self.basis.reshape(self.basis.shape[0], -1).astype(np.float32)
        product = coefficients.reshape(-1, coefficients.shape[2]).astype(np.float32) @ flat
        shape = (*coefficients.shape[:2], *self.basis.shape[1:])
        return np.rint(product).astype(np.int32).reshape(shape)
