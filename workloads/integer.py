"""IntegerModel: a network in integers, from quantized image to logits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from workloads.errors import WorkloadError
from workloads.graph import Graph
from workloads.requantize import Requantizer
from workloads.weights import NUMBERS, LayerWeights, stored_numbers


@dataclass(frozen=True, slots=True)
class Rescale:
    """One operand of an addition, concatenation or mean: (x * multiplier + half) >> shift."""

    multiplier: int
    shift: int


@dataclass(frozen=True, slots=True, eq=False)
class ImageQuantizer:
    """How an image becomes the first layer's integers.

    x = clamp(round((pixel * pixel_scale - mean[c]) / std[c] / scale), low, high), computed in
    float64 with round-half-to-even, so that NumPy and torch agree to the bit.

    Parameters
    ----------
    pixel_scale : float; 1/255 for 8-bit pixels, 1/16 for the bundled digits
    mean, std : one float per channel, in units of the scaled pixel
    scale : float, the size of one integer step
    low, high : integer bounds: 0..255 or -127..127
    size : (H, W) that the network wants
    """

    pixel_scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float
    low: int
    high: int
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class ConvIntegers:
    """Everything that a model holds of one convolution.

    Parameters
    ----------
    weights : LayerWeights
    requantizer : Requantizer; clamping performs the fused activation
    coding : storage format of ternary coefficients, in files and in the machine's DRAM
    macs : dense multiply-accumulates of the layer before channels were removed from it; None for
        its own
    """

    weights: LayerWeights
    requantizer: Requantizer
    coding: str = "entropy"
    macs: int | None = None

    @property
    def payload(self) -> np.ndarray:
        """Coefficients in their storage format, or 8-bit weights, as stored; a uint8 vector."""
        ternary = self.weights.coefficients is not None
        return self.weights.encoded(self.coding if ternary else NUMBERS)

    @cached_property
    def rule(self) -> np.ndarray:
        """Multipliers and biases as stored, a uint8 vector; encoded once."""
        return stored_numbers(self.requantizer.multiplier, self.requantizer.bias)


@dataclass(frozen=True, slots=True, eq=False)
class IntegerModel:
    """Graph, integers and requantizers of a network.

    Parameters
    ----------
    graph : Graph
    convs : ConvIntegers per convolution
    rescales : per node whose operator rescales, one Rescale per operand (for an average pool the
        one operand is the window's sum)
    bounds : (low, high) per node whose operator has bounds, applied after the rescaling
    arrays : per node whose operator has further integers, those, by field
    image : ImageQuantizer
    output_scale : float, value of one step of the logits (for reading them, never for computing)
    provenance : JSON values: method, options, seed, data, accuracies, version

    Raises
    ------
    WorkloadError
        If a node lacks its integers.
    """

    graph: Graph
    convs: Mapping[str, ConvIntegers]
    rescales: Mapping[str, tuple[Rescale, ...]]
    bounds: Mapping[str, tuple[int, int]]
    image: ImageQuantizer
    output_scale: float
    provenance: Mapping[str, object] = field(default_factory=dict)
    arrays: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    @property
    def weights(self) -> dict[str, LayerWeights]:
        """The weights of every convolution."""
        return {name: conv.weights for name, conv in self.convs.items()}

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            if any(node.name not in getattr(self, table) for table in node.operator.stores):
                raise WorkloadError(f"{self.graph.name}: {node.name} ({node.op}) has no integers")
