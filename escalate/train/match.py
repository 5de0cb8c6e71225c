"""match_statistics: repair, layer by layer, what ternarizing did to the size of the signals."""

import math
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from escalate.errors import DecompositionError
from escalate.train.convolutions import QuantizedConvolution
from escalate.train.images import image_tensor
from escalate.train.modules import GraphModule, Observer, Run
from workloads.graph import Graph, Node
from workloads.integer import ImageQuantizer

LARGEST_TENSOR = 1 << 27  # elements; fewer images are compared where a tensor would exceed this
LARGEST_GAIN = 8.0  # Assumption: a channel's weights are never scaled by more than this, or 1/this


class Moments(NamedTuple):
    """Standard deviation and mean of every channel, float32 of shape (K,) each."""

    deviation: torch.Tensor
    mean: torch.Tensor


def moments(values: torch.Tensor) -> Moments:
    """The moments of the channels of (N, K, P, Q).

    Examples
    --------
    >>> found = moments(torch.tensor([[[[1.0, 3.0]], [[5.0, 5.0]]]]))
    >>> found.deviation.tolist(), found.mean.tolist()
    ([1.0, 0.0], [2.0, 5.0])
    """
    return Moments(*torch.std_mean(values, dim=(0, 2, 3), correction=0))


def compared(graph: Graph, images: int) -> int:
    """How many of the images are compared: as many as memory allows, at least one."""
    largest = max(math.prod(node.shape) for node in graph.nodes)
    return min(images, max(1, LARGEST_TENSOR // largest))


def output_moments(
    original: GraphModule, image: ImageQuantizer, pixels: np.ndarray
) -> dict[str, Moments]:
    """The moments of every convolution's output in front of its activation.

    Parameters
    ----------
    original : GraphModule, the network in floats
    image : ImageQuantizer
    pixels : uint8, shape (N, C, H, W); see ``compared``
    """
    found: dict[str, Moments] = {}

    def run(node: Node, operands: list[torch.Tensor], observe: Observer | None) -> torch.Tensor:
        """The node; of a convolution also its moments, in front of the activation."""
        if node.layer is None:
            return original.run_node(node, operands, observe)
        value = original.convolution(node.name)(operands[0])
        found[node.name] = moments(value)
        return original.activated(node, value, observe)

    _walk(original, image, pixels, run)
    return found


def match_statistics(
    module: GraphModule,
    wanted: Mapping[str, Moments],
    image: ImageQuantizer,
    pixels: np.ndarray,
    observe: Observer | None = None,
) -> None:
    """Give every channel of every convolution the original's mean and standard deviation.

    Least squares shrinks weights, and through a deep network the shrinking multiplies until
    nothing is left.  In execution order each convolution's output, before its activation, is
    compared with the original's on the same images; a gain goes into the channel's scale a[k] and
    a shift into its bias, and the next layer is compared behind the repaired ones.

    Parameters
    ----------
    module : GraphModule of quantized convolutions, changed in place
    wanted : the original's moments on the same images, see ``output_moments``
    image : ImageQuantizer
    pixels : uint8, shape (N, C, H, W); the first so many as memory allows; no labels are used
    observe : called with every tensor that has a range of its own, as the matched network has it

    Raises
    ------
    DecompositionError
        If a convolution of ``module`` is not a quantized one.

    Notes
    -----
    Derived: batch norm re-estimation, carried out on the folded scales.  Assumption: not in the
    paper as far as it is known.
    """

    def run(node: Node, operands: list[torch.Tensor], observe: Observer | None) -> torch.Tensor:
        """The node; a convolution is matched first."""
        if node.layer is not None:
            convolution = module.convolution(node.name)
            if not isinstance(convolution, QuantizedConvolution):
                raise DecompositionError(f"{node.name}: the convolution is still in floats")
            match_layer(convolution, operands[0], wanted[node.name])
        return module.run_node(node, operands, observe)

    _walk(module, image, pixels, run, observe)


def _walk(
    module: GraphModule,
    image: ImageQuantizer,
    pixels: np.ndarray,
    run: Run,
    observe: Observer | None = None,
) -> None:
    """Compute every node by ``run``, on as many images as memory allows."""
    device = next(module.parameters()).device
    images = image_tensor(image, pixels[: compared(module.graph, len(pixels))]).to(device)
    with torch.no_grad():
        deque(module.walk(images, observe, run), maxlen=0)


def match_layer(convolution: QuantizedConvolution, inputs: torch.Tensor, wanted: Moments) -> None:
    """Move one convolution's scales and bias so that its output has the wanted moments.

    Parameters
    ----------
    convolution : changed in place
    inputs : float, shape (N, C, H, W)
    wanted : of the original's output in front of its activation
    """
    deviation, mean = moments(convolution(inputs))
    deviation_wanted, mean_wanted = wanted
    alive = (deviation > 0) & (deviation_wanted > 0)
    gains = deviation_wanted / torch.where(alive, deviation, torch.ones_like(deviation))
    gains = torch.where(alive, gains.clamp(1 / LARGEST_GAIN, LARGEST_GAIN), torch.ones_like(gains))
    convolution.bias.copy_(mean_wanted - gains * (mean - convolution.bias))
    convolution.scale_channels(gains)
