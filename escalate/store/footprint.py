"""Footprint: the bytes that a model's numbers take, layer by layer and format by format."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from escalate.errors import CheckpointError
from escalate.store import model_file
from escalate.ternary.quantize import QuantizedBasis
from workloads.formats.blocks import best_cut
from workloads.formats.entropy import size_bits
from workloads.integer import IntegerModel
from workloads.weights import NUMBERS, LayerWeights

FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class LayerFootprint:
    """Bytes of one layer, each number of them what an encoder wrote.

    Parameters
    ----------
    name : the layer
    form : ``8 bit``, ``ternary`` or ``decomposed``
    M : basis kernels, 0 where there is no basis
    weights : 8-bit weights, or ternary coefficients
    nonzeros : of those, the ones that are not 0
    coding : storage format of the coefficients, or ``numbers`` for 8-bit weights
    formats : bytes of the coefficients in every storage format; empty for 8-bit weights
    coefficient_bytes : coefficients as stored, or the 8-bit weights
    basis_bytes : basis, and alpha where there is one
    requantizer_bytes : multipliers and biases
    ideal_bits : lower bound for the coefficients or weights: entropy times their number, whole
        blocks of zeros apart where that is less, or what a format makes of them if even less
    effective_bits : per basis kernel, the bits that its largest element needs, sign included
    dense_weights : K * C/groups * R * S, the weights that the layer stands for
    """

    name: str
    form: str
    M: int
    weights: int
    nonzeros: int
    coding: str
    coefficient_bytes: int
    basis_bytes: int
    requantizer_bytes: int
    ideal_bits: float
    formats: Mapping[str, int] = field(default_factory=dict)
    effective_bits: tuple[int, ...] = ()
    dense_weights: int = 0

    @property
    def bits_per_weight(self) -> float:
        """Stored bits of coefficients and basis, or of 8-bit weights, per dense weight."""
        return 8 * (self.coefficient_bytes + self.basis_bytes) / self.dense_weights

    @property
    def bytes(self) -> int:
        """All of the layer."""
        return self.coefficient_bytes + self.basis_bytes + self.requantizer_bytes

    @property
    def density(self) -> float:
        """Share of coefficients, or of 8-bit weights, that are not zero."""
        return self.nonzeros / self.weights

    @property
    def hardware_bytes(self) -> int:
        """What the Basis-First machine reads of the layer once: 8-bit weights and bases whole.

        Multipliers and biases, to which scales without a basis belong, are not among it.
        """
        if self.form == "8 bit":
            return self.weights
        return self.coefficient_bytes + (self.basis_bytes if self.M else 0)

    @property
    def ideal_bytes(self) -> float:
        """Lower bound of what is counted of the layer in any other way."""
        return self.ideal_bits / 8 + (self.basis_bytes if self.M else 0)


def layer_footprint(
    name: str, weights: LayerWeights, requantizer_bytes: int, coding: str
) -> LayerFootprint:
    """Count the bytes of one layer by encoding it.

    Examples
    --------
    >>> weights = LayerWeights(coefficients=np.array([[[1], [0]]], np.int8))
    >>> found = layer_footprint("fc", weights, 8, "bitmap")
    >>> found.coefficient_bytes, found.bytes, found.formats["two_bit"]
    (1, 9, 1)
    """
    if weights.coefficients is None:
        assert weights.weights is not None
        stored = weights.encoded(NUMBERS).size
        return LayerFootprint(
            name,
            "8 bit",
            0,
            weights.weights.size,
            int(np.count_nonzero(weights.weights)),
            NUMBERS,
            stored,
            0,
            requantizer_bytes,
            min(best_cut(weights.weights)[1], 8 * stored),
            dense_weights=weights.weights.size,
        )
    sizes, basis = weights.sizes(), weights.basis
    return LayerFootprint(
        name,
        "ternary" if basis is None else "decomposed",
        0 if basis is None else basis.shape[0],
        weights.coefficients.size,
        int(np.count_nonzero(weights.coefficients)),
        coding,
        sizes[coding],
        weights.encoded_basis().size,
        requantizer_bytes,
        min(size_bits(weights.coefficients), 8 * min(sizes.values())),
        sizes,
        () if basis is None else QuantizedBasis(basis, 1.0).effective_bits,
        weights.coefficients.size if basis is None else _dense(weights.coefficients, basis),
    )


def _dense(coefficients: np.ndarray, basis: np.ndarray) -> int:
    """K * C/groups * R * S of a decomposed layer."""
    return coefficients.size // basis.shape[0] * basis[0].size


def footprint(model: IntegerModel) -> tuple[LayerFootprint, ...]:
    """The footprint of every convolution, in execution order."""
    found = []
    for node in model.graph.convs:
        conv = model.convs[node.name]
        found.append(layer_footprint(node.name, conv.weights, conv.rule.size, conv.coding))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Sizes:
    """A model's size counted in four ways, in bytes.

    Parameters
    ----------
    on_disk : every file that decoding needs, headers and manifest included
    payload : coefficients, weights, bases, scales and their tables, without headers and manifest
    hardware : what the Basis-First machine reads of weights, once each
    ideal : lower bound of all the others: entropy times count of coefficients and weights, and
        bases as stored; multipliers and biases, which ``hardware`` leaves out, are not counted
    convolutions : the part of ``payload`` that belongs to layers which are not fully connected
    """

    on_disk: int
    payload: int
    hardware: int
    ideal: int
    convolutions: int


def sizes(model: IntegerModel) -> Sizes:
    """Count a model's bytes."""
    layers = footprint(model)
    shapes = {node.name: node.layer for node in model.graph.convs}
    ideal = sum(each.ideal_bytes for each in layers)
    return Sizes(
        on_disk=model_file.packed_size(model),
        payload=sum(each.bytes for each in layers),
        hardware=sum(each.hardware_bytes for each in layers),
        ideal=int(np.ceil(ideal)),
        convolutions=sum(
            each.bytes
            for each in layers
            if (layer := shapes[each.name]) is not None and not layer.is_linear
        ),
    )


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
