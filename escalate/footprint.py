"""Footprint: the bits that a model's numbers take, layer by layer and format by format."""

from dataclasses import dataclass

import numpy as np

from escalate.errors import CheckpointError
from escalate.formats import get
from escalate.quantize import QuantizedBasis
from workloads.integer import IntegerModel
from workloads.weights import LayerWeights

FLOAT_BYTES = 4
REQUANTIZER_BITS = 64  # per output channel: multiplier and bias, int32 each


@dataclass(frozen=True, slots=True)
class LayerFootprint:
    """Bits of one layer.

    Parameters
    ----------
    name : the layer
    coefficients, nonzeros : number of ternary coefficients, and of those that are not 0
    coefficient_bits : as the format encodes them, whole bytes
    basis_bits : eight per element of the basis
    weight_bits : eight per weight of a layer kept at eight bits
    requantizer_bits : multipliers and biases
    effective_bits : per basis kernel, the bits that its largest element needs, sign included
    """

    name: str
    coefficients: int
    nonzeros: int
    coefficient_bits: int
    basis_bits: int
    weight_bits: int
    requantizer_bits: int
    effective_bits: tuple[int, ...] = ()

    @property
    def bits(self) -> int:
        """All of the layer."""
        parts = self.coefficient_bits + self.basis_bits + self.weight_bits
        return parts + self.requantizer_bits

    @property
    def density(self) -> float:
        """Share of ternary coefficients that are not zero; 1.0 for a layer without any."""
        return self.nonzeros / self.coefficients if self.coefficients else 1.0


def layer_footprint(
    name: str, weights: LayerWeights, output_channels: int, format_name: str = "bitmap"
) -> LayerFootprint:
    """Count the bits of one layer by encoding it.

    Examples
    --------
    >>> weights = LayerWeights(coefficients=np.array([[[1], [0]]], np.int8))
    >>> layer_footprint("fc", weights, 1).coefficient_bits, layer_footprint("fc", weights, 1).bits
    (8, 72)
    """
    overhead = REQUANTIZER_BITS * output_channels
    if weights.coefficients is None:
        assert weights.weights is not None
        return LayerFootprint(name, 0, 0, 0, 0, 8 * weights.weights.size, overhead)
    payload = get(format_name).encode(weights.coefficients)
    basis = weights.basis
    return LayerFootprint(
        name,
        coefficients=weights.coefficients.size,
        nonzeros=int(np.count_nonzero(weights.coefficients)),
        coefficient_bits=8 * payload.size,
        basis_bits=0 if basis is None else 8 * basis.size,
        weight_bits=0,
        requantizer_bits=overhead,
        effective_bits=() if basis is None else QuantizedBasis(basis, 1.0).effective_bits,
    )


def footprint(model: IntegerModel, format_name: str = "bitmap") -> tuple[LayerFootprint, ...]:
    """The footprint of every convolution, in execution order."""
    found = []
    for node in model.graph.convs:
        assert node.layer is not None
        weights = model.layers[node.name]
        found.append(layer_footprint(node.name, weights, node.layer.K, format_name))
    return tuple(found)


def compression_ratio(original_parameters: int, stored_bytes: int) -> float:
    """Bytes of all original parameters at FP32 over the bytes stored.

    Raises
    ------
    CheckpointError
        If nothing was stored.

    Examples
    --------
    >>> compression_ratio(1000, 100)
    40.0
    """
    if stored_bytes < 1:
        raise CheckpointError(f"compression ratio: {stored_bytes} bytes were stored")
    return FLOAT_BYTES * original_parameters / stored_bytes
