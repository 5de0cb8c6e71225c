"""curves: what each layer's bits buy, one layer compressed at a time, measured at the logits.

For each layer a grid of forms (M and density, or 8-bit weights of fewer bits) is tried on its own
weights; those that no other form beats in bytes and in weighted squared error are then put into
the otherwise unchanged network, one layer at a time, and the distance of its answers from the
original's is measured on images.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from escalate.capture.network import FloatNetwork
from escalate.compressors.compressor import Task, Watch
from escalate.compressors.escalate.compressor import COMPRESSOR, EscalateOptions
from escalate.ternary.survival import Survival
from escalate.train.convolutions import (
    DecomposedConvolution,
    Int8Convolution,
    QuantizedConvolution,
    TernaryConvolution,
    per_weight,
)
from escalate.train.images import image_tensor
from escalate.train.match import Moments, match_layer
from escalate.train.match import moments as moments_of
from escalate.train.modules import GraphModule
from workloads.formats import BEST
from workloads.graph import Node
from workloads.integer import ImageQuantizer

DENSITIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.8)
BASES = (1, 2, 3, 4, 6, 9)
WEIGHT_BITS = (2, 3, 4, 5, 6, 8)
CLOSE = 1.12  # points whose bytes differ by a smaller factor are not all measured
MOST_VALUES = 1 << 28  # activations of all layers kept at once; fewer images where more


@dataclass(frozen=True, slots=True)
class Form:
    """A form that a layer can be given.

    Parameters
    ----------
    M : basis kernels, 1 for a ternary layer without basis, 0 for 8-bit weights
    density : share of coefficients that stay; 1.0 for 8-bit weights
    bits : of 8-bit weights, how many are used; 0 for ternary coefficients
    """

    M: int
    density: float
    bits: int = 0

    def __str__(self) -> str:
        """The form in a few words.

        Examples
        --------
        >>> str(Form(6, 0.1)), str(Form(0, 1.0, 5))
        ('M = 6, density 0.1', '5 bit')
        """
        return f"{self.bits} bit" if self.bits else f"M = {self.M}, density {self.density:g}"


@dataclass(frozen=True, slots=True)
class Point:
    """A layer in one form, all others as they were.

    Parameters
    ----------
    layer : its name
    form : Form
    bytes : of its coefficients and basis, or 8-bit weights, as they would be stored
    squared_error : share of the weights' squared sum that is lost, input channels weighted by
        their second moments
    divergence : mean Kullback-Leibler divergence of the class probabilities from the original's,
        nats per image
    agreement : share of images, 0..1, whose first answer is the original's
    """

    layer: str
    form: Form
    bytes: int
    squared_error: float
    divergence: float
    agreement: float


Curves = dict[str, tuple[Point, ...]]


def sensitivity(task: Task, options: EscalateOptions, *, watch: Watch | None = None) -> Curves:
    """The rate-distortion curve of every convolution, points by rising bytes.

    Parameters
    ----------
    task : Task, of which no labels are used
    options : scales and storage are the ones to be used later; first and depthwise layers, or
        ``keep_int8``, are only tried in 8 bits and fewer, the others in ternary forms, or with
        ``mixed`` in both
    watch : called with the layer, layers done, layers in all
    """
    network, original = task.network, task.original
    kept = COMPRESSOR.kept(network.graph, options)
    convs = network.graph.convs
    values = _values(original, task.image, task.pixels)
    wanted = functional.log_softmax(values[network.graph.output.name].flatten(1), dim=1)
    found: Curves = {}
    for done, node in enumerate(convs):
        if watch is not None:
            watch(node.name, done, len(convs))
        rough = [
            (form, *_made(network, node, form, options, task.input_moments[node.name]))
            for form in forms(node, ternary=node.name not in kept, mixed=options.mixed)
        ]
        best = _frontier([(size, error) for _, _, size, error in rough])
        points, target = [], _output_moments(original, node, values)
        for place in best:
            form, convolution, size, error = rough[place]
            divergence, agreement = _distance(original, node, convolution, values, target, wanted)
            points.append(Point(node.name, form, size, error, divergence, agreement))
        found[node.name] = tuple(points)
    return found


def forms(node: Node, *, ternary: bool, mixed: bool) -> Iterator[Form]:
    """The forms to try for a layer: ternary ones, 8 bits and fewer, or both where ``mixed``."""
    layer = node.layer
    assert layer is not None
    if mixed or not ternary:
        for bits in WEIGHT_BITS:
            yield Form(0, 1.0, bits)
    if ternary:
        taps = layer.R * layer.S
        for M in sorted({min(M, taps) for M in BASES}):
            for density in DENSITIES:
                yield Form(M, density)


def _made(
    network: FloatNetwork,
    node: Node,
    form: Form,
    options: EscalateOptions,
    moments: np.ndarray,
) -> tuple[QuantizedConvolution, int, float]:
    """A layer in a form, its bytes, and the share of the weighted squared sum that is lost."""
    layer, weights = node.layer, network.weights[node.name]
    assert layer is not None
    arrays = (layer, weights, network.biases[node.name])
    convolution: QuantizedConvolution
    if form.bits:
        convolution = Int8Convolution(*arrays, form.bits)
    else:
        kind = TernaryConvolution if layer.R * layer.S == 1 else DecomposedConvolution
        convolution = kind(
            *arrays,
            Survival(density=form.density),
            form.M,
            granularity=options.scales,
            importance=moments if options.weighting == "inputs" else None,
        )
    stored = convolution.integers().weights
    coding = stored.smallest() if options.storage == BEST else options.storage
    size = stored.encoded(coding).size + stored.encoded_basis().size
    h = per_weight(layer, moments)
    lost = (weights - convolution.weight().detach().numpy()).astype(np.float64) ** 2
    total = float((h[:, :, None, None] * weights.astype(np.float64) ** 2).sum())
    return convolution, size, float((h[:, :, None, None] * lost).sum()) / (total or 1.0)


def _frontier(points: Sequence[tuple[int, float]]) -> list[int]:
    """Places of the points that no other beats in both numbers, by rising first number.

    Of points with nearly the same bytes the smallest is kept alone, and the very last one.
    """
    order = sorted(range(len(points)), key=lambda place: points[place])
    found: list[int] = []
    for place in order:
        if not found or points[place][1] < points[found[-1]][1]:
            found.append(place)
    thinned = found[:1]
    for place in found[1:]:
        if points[place][0] >= CLOSE * points[thinned[-1]][0] or place == found[-1]:
            thinned.append(place)
    return thinned


def _values(
    original: GraphModule, image: ImageQuantizer, pixels: np.ndarray
) -> dict[str, torch.Tensor]:
    """Every tensor of the original network on the images."""
    each = sum(math.prod(node.shape) for node in original.graph.nodes)
    some = pixels[: max(1, MOST_VALUES // each)]
    device = next(original.parameters()).device
    images = image_tensor(image, some).to(device)
    with torch.no_grad():
        found = {node.name: value for node, _, value in original.walk(images)}
    return {original.graph.nodes[0].name: images, **found}


def _output_moments(original: GraphModule, node: Node, values: dict[str, torch.Tensor]) -> Moments:
    """What every form of a layer is matched to."""
    with torch.no_grad():
        return moments_of(original.convolution(node.name)(values[node.inputs[0]]))


def _distance(
    original: GraphModule,
    node: Node,
    convolution: QuantizedConvolution,
    values: dict[str, torch.Tensor],
    target: Moments,
    wanted: torch.Tensor,
) -> tuple[float, float]:
    """Divergence and agreement of the network in which one layer is replaced."""
    with torch.no_grad():
        convolution.to(wanted.device)
        inputs = values[node.inputs[0]]
        match_layer(convolution, inputs, target)
        ours = {node.name: original.activated(node, convolution(inputs))}
        for later in original.graph.nodes[original.graph.nodes.index(node) + 1 :]:
            if any(name in ours for name in later.inputs):
                operands = [ours.get(name, values[name]) for name in later.inputs]
                ours[later.name] = original.run_node(later, operands)
        found = ours.get(original.graph.output.name, values[original.graph.output.name])
        logits = functional.log_softmax(found.flatten(1), dim=1)
        gaps = functional.kl_div(logits, wanted, reduction="batchmean", log_target=True)
        same = (logits.argmax(dim=1) == wanted.argmax(dim=1)).double().mean()
    return max(0.0, float(gaps)), float(same)
