"""LayerTensors: the integers of one layer, weights and activations, with their origin."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from workloads.errors import WorkloadError
from workloads.formats import FORMATS
from workloads.layer import ConvLayer
from workloads.requantize import Lookup, Requantizer
from workloads.weights import LayerWeights

Mode = Literal["decomposed", "pointwise", "bypass"]
Origin = Literal["captured", "file", "synthetic"]
MOST_SCALE = 255  # scales are unsigned 8-bit integers


def _check(name: str, field: str, array: np.ndarray, shape: tuple[int, ...], dtypes: tuple) -> None:
    if array.dtype.type not in dtypes:
        allowed = " or ".join(d.__name__ for d in dtypes)
        raise WorkloadError(f"{name}: {field} is {array.dtype}, wanted {allowed}")
    if array.shape != shape:
        raise WorkloadError(f"{name}: {field} has shape {array.shape}, wanted {shape}")
    if not array.flags.c_contiguous:
        raise WorkloadError(f"{name}: {field} is not C-contiguous")
    array.setflags(write=False)


@dataclass(frozen=True, slots=True, eq=False)
class LayerTensors:
    """Everything that a machine needs for one layer. Exactly one form of the weights is given.

    Parameters
    ----------
    layer : ConvLayer
    activations : uint8 or int8, shape (N, C, H, W), zero point 0
    weights : int8, shape (K, C/groups, R, S), or None
    basis : int8, shape (M, R, S); None for a 1x1 layer in ternary form (M = 1, B[0] = 1)
    coefficients : int8 in -1, 0, +1, shape (K, C/groups, M), or None
    alpha : uint8 in 1..255, shape (K, M): one scale per filter and basis kernel, by which the sums
        V are multiplied; None where the scales are folded into the basis and the requantizer
    two_sided : (p, n), integers in 1..255: V is p times the sum over T = +1 minus n times the sum
        over T = -1, as trained ternary quantization has it; None for p = n.  Not beside ``alpha``
    requantizer : Requantizer or None where the network after this layer is unknown
    origin : ``captured`` from a network, ``file`` (a user's own arrays) or ``synthetic``
    producers : names of the layers whose outputs, concatenated by channel, are this input;
        empty for an input that comes from outside the run
    shortcut : the other operand of an addition behind this layer, (N, K, P, Q), or None;
        it costs no cycles and counts as input traffic
    coding : storage format of the coefficients in DRAM, see ``workloads.formats``
    macs : dense multiply-accumulates of one image that the layer stands for, where channels were
        removed from it; None for its own

    Raises
    ------
    WorkloadError
        Naming layer, field, what came and what was wanted.
    """

    layer: ConvLayer
    activations: np.ndarray
    weights: np.ndarray | None = None
    basis: np.ndarray | None = None
    coefficients: np.ndarray | None = None
    requantizer: Requantizer | Lookup | None = None
    origin: Origin = "captured"
    producers: tuple[str, ...] = ()
    shortcut: np.ndarray | None = None
    alpha: np.ndarray | None = None
    two_sided: tuple[int, int] | None = None
    coding: str = "bitmap"
    macs: int | None = None
    layer_weights: LayerWeights = field(init=False, repr=False)  # only the weights

    def __post_init__(self) -> None:
        self._hold(
            LayerWeights(self.weights, self.basis, self.coefficients, self.alpha, self.two_sided)
        )
        layer, name = self.layer, self.layer.name
        images = self.activations.shape[0] if self.activations.ndim == 4 else 1
        if images < 1:
            raise WorkloadError(f"{name}: activations hold no image")
        _check(
            name,
            "activations",
            self.activations,
            (images, layer.C, layer.H, layer.W),
            (np.uint8, np.int8),
        )
        if self.coding not in FORMATS:
            known = ", ".join(FORMATS)
            raise WorkloadError(f"{name}: coding is {self.coding!r}, wanted one of {known}")
        if (self.weights is None) == (self.coefficients is None):
            raise WorkloadError(f"{name}: wanted either weights or coefficients")
        if self.weights is not None:
            if self.basis is not None:
                raise WorkloadError(f"{name}: a basis stands beside weights")
            if self.alpha is not None or self.two_sided is not None:
                raise WorkloadError(f"{name}: scales of coefficients stand beside weights")
            _check(name, "weights", self.weights, layer.weight_shape, (np.int8,))
        else:
            self._check_decomposed()
        if self.requantizer is not None and self.requantizer.bias.size != layer.K:
            raise WorkloadError(
                f"{name}: the requantizer has {self.requantizer.bias.size} channels, "
                f"the layer has K = {layer.K}"
            )

    def _check_decomposed(self) -> None:
        layer, name = self.layer, self.layer.name
        assert self.coefficients is not None
        if self.basis is None and layer.R * layer.S > 1:
            raise WorkloadError(f"{name}: coefficients of a {layer.R}x{layer.S} layer need a basis")
        m = 1 if self.basis is None else self.basis.shape[0]
        if self.basis is not None:
            if not 1 <= m <= layer.R * layer.S:
                raise WorkloadError(
                    f"{name}: basis holds M = {m} kernels, wanted 1..{layer.R * layer.S}"
                )
            _check(name, "basis", self.basis, (m, layer.R, layer.S), (np.int8,))
        if self.coefficients.ndim == 3 and self.coefficients.shape[2] != m:
            raise WorkloadError(
                f"{name}: coefficients hold {self.coefficients.shape[2]} basis kernels, "
                f"the basis has {m}"
            )
        shape = (layer.K, layer.channels_per_group, m)
        _check(name, "coefficients", self.coefficients, shape, (np.int8,))
        low, high = self.coefficients.min(initial=0), self.coefficients.max(initial=0)
        if low < -1 or high > 1:
            bad = (self.coefficients < -1) | (self.coefficients > 1)
            where = np.argwhere(bad)[0].tolist()
            raise WorkloadError(
                f"{name}: coefficients at {where} is {self.coefficients[tuple(where)]}, "
                "wanted -1, 0 or 1"
            )
        self._check_scales(m)

    def _check_scales(self, bases: int) -> None:
        name, scales = self.layer.name, self.two_sided
        if self.alpha is not None:
            if scales is not None:
                raise WorkloadError(f"{name}: wanted either alpha or two_sided")
            _check(name, "alpha", self.alpha, (self.layer.K, bases), (np.uint8,))
            if not self.alpha.all():
                where = np.argwhere(self.alpha == 0)[0].tolist()
                raise WorkloadError(f"{name}: alpha at {where} is 0, wanted 1..{MOST_SCALE}")
        if scales is not None and not (
            isinstance(scales, tuple)
            and len(scales) == 2
            and all(type(scale) is int and 1 <= scale <= MOST_SCALE for scale in scales)
        ):
            raise WorkloadError(
                f"{name}: two_sided is {scales!r}, wanted two integers in 1..{MOST_SCALE}"
            )

    @classmethod
    def of(
        cls, layer: ConvLayer, activations: np.ndarray, weights: LayerWeights, **about: Any
    ) -> "LayerTensors":
        """Tensors of weights as a model holds them; ``about`` are the other parameters."""
        found = cls(
            layer,
            activations,
            weights.weights,
            weights.basis,
            weights.coefficients,
            alpha=weights.alpha,
            two_sided=weights.two_sided,
            **about,
        )
        found._hold(weights)  # with what was encoded of them
        return found

    def _hold(self, weights: LayerWeights) -> None:
        object.__setattr__(self, "layer_weights", weights)

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates of the original layer, for all images."""
        return (self.layer.macs if self.macs is None else self.macs) * self.images

    @property
    def images(self) -> int:
        """Batch size N."""
        return self.activations.shape[0]

    @property
    def mode(self) -> Mode:
        """``pointwise`` (ternary 1x1 without basis), ``decomposed`` or ``bypass``."""
        if self.coefficients is None:
            return "bypass"
        return "pointwise" if self.basis is None else "decomposed"

    @property
    def multiplies_per_sum(self) -> int:
        """How many scales multiply each sum V: 0, 1 (alpha) or 2 (p and n)."""
        if self.two_sided is not None:
            return 2
        return 0 if self.alpha is None else 1

    def scaled_coefficients(self) -> np.ndarray:
        """The factor of each activation in V: T, alpha T, or p and -n; int32 (K, C/groups, M).

        Examples
        --------
        >>> layer = ConvLayer("fc", C=3, K=1, H=1, W=1)
        >>> pixels, signs = np.ones((1, 3, 1, 1), np.uint8), np.array([[[1], [0], [-1]]], np.int8)
        >>> ternary = LayerTensors(layer, pixels, coefficients=signs, two_sided=(3, 2))
        >>> ternary.scaled_coefficients().ravel().tolist()
        [3, 0, -2]
        """
        return self.layer_weights.scaled_coefficients()

    def dense_weights(self) -> np.ndarray:
        """The integer weights sum_m T B with T scaled, int32 of shape (K, C/groups, R, S)."""
        return self.layer_weights.dense()

    def digest(self) -> str:
        """SHA-256 over shapes, dtypes and bytes of all arrays; it identifies the tensors."""
        sha = hashlib.sha256(repr(self.layer).encode())
        arrays = (self.activations, self.weights, self.basis, self.coefficients, self.shortcut)
        for array in arrays:
            sha.update(b"-" if array is None else f"{array.dtype}{array.shape}".encode())
            if array is not None:
                sha.update(np.ascontiguousarray(array).data)
        if self.alpha is not None:  # tensors without such scales keep the identity they had
            sha.update(f"alpha{self.alpha.shape}".encode() + self.alpha.tobytes())
        if self.two_sided is not None:
            sha.update(f"two_sided{self.two_sided}".encode())
        if self.coefficients is not None and self.coding != "bitmap":
            sha.update(f"coding {self.coding}".encode())
        return sha.hexdigest()
