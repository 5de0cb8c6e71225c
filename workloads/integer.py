"""IntegerModel: a network in integers, from quantized image to logits."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from workloads.errors import WorkloadError
from workloads.graph import Graph
from workloads.requantize import Requantizer
from workloads.weights import LayerWeights


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


@dataclass(frozen=True, slots=True, eq=False)
class IntegerModel:
    """Graph, integers and requantizers of a network.

    Parameters
    ----------
    graph : Graph
    layers : LayerWeights per convolution
    requantizers : Requantizer per convolution (clamping performs its fused activation)
    rescales : per node whose operator rescales, one Rescale per operand (for an average pool the
        one operand is the window's sum)
    bounds : (low, high) per node whose operator has bounds, applied after the rescaling
    image : ImageQuantizer
    output_scale : float, value of one step of the logits (for reading them, never for computing)
    provenance : JSON values: method, options, seed, data, accuracies, version
    codings : storage format of each ternary layer, in files and in the machine's DRAM
    macs : dense multiply-accumulates of layers from which channels were removed, before that

    Raises
    ------
    WorkloadError
        If a node lacks its integers.
    """

    graph: Graph
    layers: Mapping[str, LayerWeights]
    requantizers: Mapping[str, Requantizer]
    rescales: Mapping[str, tuple[Rescale, ...]]
    bounds: Mapping[str, tuple[int, int]]
    image: ImageQuantizer
    output_scale: float
    provenance: Mapping[str, object] = field(default_factory=dict)
    codings: Mapping[str, str] = field(default_factory=dict)
    macs: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            if any(node.name not in getattr(self, table) for table in node.operator.stores):
                raise WorkloadError(f"{self.graph.name}: {node.name} ({node.op}) has no integers")
