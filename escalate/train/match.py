"""match_statistics: repair, layer by layer, what ternarizing did to the size of the signals."""

import math

import numpy as np
import torch

from escalate.errors import DecompositionError
from escalate.train.convolutions import QuantizedConvolution
from escalate.train.images import image_tensor
from escalate.train.modules import GraphModule
from workloads.integer import ImageQuantizer

LARGEST_TENSOR = 1 << 27  # elements; fewer images are compared where a tensor would exceed this
LARGEST_GAIN = 8.0  # Assumption: a channel's weights are never scaled by more than this, or 1/this


def match_statistics(
    module: GraphModule, original: GraphModule, image: ImageQuantizer, pixels: np.ndarray
) -> None:
    """Give every channel of every convolution the original's mean and standard deviation.

    Least squares shrinks weights, and through a deep network the shrinking multiplies until
    nothing is left.  In execution order each convolution's output, before its activation, is
    compared with the original's on the same images; a gain goes into the channel's scale a[k] and
    a shift into its bias, and the next layer is compared behind the repaired ones.

    Parameters
    ----------
    module : GraphModule of quantized convolutions, changed in place
    original : the same graph in floats
    image : ImageQuantizer
    pixels : uint8, shape (N, C, H, W); the first so many as memory allows; no labels are used

    Raises
    ------
    DecompositionError
        If a convolution of ``module`` is not a quantized one.

    Notes
    -----
    Derived: batch norm re-estimation, carried out on the folded scales.  Assumption: not in the
    paper as far as it is known.
    """
    device = next(module.parameters()).device
    largest = max(math.prod(node.shape) for node in module.graph.nodes)
    images = image_tensor(image, pixels[: max(1, LARGEST_TENSOR // largest)]).to(device)
    first = module.graph.nodes[0].name
    ours, theirs = {first: images}, {first: images}
    last_readers = {name: node.name for node in module.graph.nodes for name in node.inputs}
    with torch.no_grad():
        for node in module.graph.nodes[1:]:
            mine = [ours[name] for name in node.inputs]
            wanted = [theirs[name] for name in node.inputs]
            if node.layer is not None:
                convolution = module.convolution(node.name)
                if not isinstance(convolution, QuantizedConvolution):
                    raise DecompositionError(f"{node.name}: the convolution is still in floats")
                match_layer(convolution, mine[0], original.convolution(node.name)(wanted[0]))
            ours[node.name] = module.run_node(node, mine)
            theirs[node.name] = original.run_node(node, wanted)
            for name in set(node.inputs):
                if last_readers[name] == node.name:
                    del ours[name], theirs[name]


def match_layer(
    convolution: QuantizedConvolution, inputs: torch.Tensor, wanted: torch.Tensor
) -> None:
    """Move one convolution's scales and bias so that its output has the wanted moments.

    Parameters
    ----------
    convolution : changed in place
    inputs : float, shape (N, C, H, W)
    wanted : float, shape (N, K, P, Q), the original's output in front of its activation
    """
    deviation, mean = torch.std_mean(convolution(inputs), dim=(0, 2, 3), correction=0)
    deviation_wanted, mean_wanted = torch.std_mean(wanted, dim=(0, 2, 3), correction=0)
    alive = (deviation > 0) & (deviation_wanted > 0)
    gains = deviation_wanted / torch.where(alive, deviation, torch.ones_like(deviation))
    gains = torch.where(alive, gains.clamp(1 / LARGEST_GAIN, LARGEST_GAIN), torch.ones_like(gains))
    convolution.bias.copy_(mean_wanted - gains * (mean - convolution.bias))
    convolution.scale_channels(gains)
