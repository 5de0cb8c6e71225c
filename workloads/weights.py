"""LayerWeights: the stored integers of a layer's weights."""

from dataclasses import dataclass, field

import numpy as np

from workloads import formats
from workloads.formats import numbers

NUMBERS = "numbers"  # the storage format of 8-bit weights, see ``workloads.formats.numbers``


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
    _encoded: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def encoded(self, coding: str) -> np.ndarray:
        """The coefficients in a storage format, or the 8-bit weights as numbers; encoded once.

        Parameters
        ----------
        coding : see ``workloads.formats``; ``numbers`` for 8-bit weights

        Returns
        -------
        uint8 vector

        Examples
        --------
        >>> LayerWeights(coefficients=np.array([[[1], [-1]]], np.int8)).encoded("two_bit").tolist()
        [13]
        """
        if coding not in self._encoded:
            if self.coefficients is None:
                assert self.weights is not None
                payload = numbers.encode(self.weights)
            else:
                payload = formats.get(coding).encode(self.coefficients)
            payload.setflags(write=False)
            self._encoded[coding] = payload
        return self._encoded[coding]

    def encoded_basis(self) -> np.ndarray:
        """Basis and alpha, where there are any, as numbers, one behind the other; encoded once."""
        if "basis" not in self._encoded:
            self._encoded["basis"] = stored_numbers(self.basis, self.alpha)
        return self._encoded["basis"]

    def sizes(self) -> dict[str, int]:
        """Bytes of the coefficients in every storage format, by name; none for 8-bit weights."""
        if self.coefficients is None:
            return {}
        return {coding: self.encoded(coding).size for coding in formats.FORMATS}

    def smallest(self) -> str:
        """The storage format of the fewest bytes, the first of equals."""
        sizes = self.sizes()
        return min(sizes, key=sizes.__getitem__) if sizes else NUMBERS

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


def stored_numbers(*arrays: np.ndarray | None) -> np.ndarray:
    """Arrays of integers that are there, one behind the other, as a uint8 vector.

    Examples
    --------
    >>> stored_numbers(np.array([4, -8]), None, np.array([0])).tolist()
    [2, 2, 9, 0, 0]
    """
    parts = [numbers.encode(array) for array in arrays if array is not None]
    stored = np.concatenate([np.zeros(0, np.uint8), *parts])
    stored.setflags(write=False)
    return stored
