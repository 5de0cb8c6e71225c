"""layer_sqnr: how much each layer loses by its integers."""

import math

import numpy as np
import torch

from escalate.errors import DecompositionError
from escalate.train.images import image_tensor
from escalate.train.modules import GraphModule
from escalate.train.straight_through import fake_quantize
from workloads.integer import ImageQuantizer

IMAGES = 16  # Assumption: enough to tell layers apart
TINY = 1e-300


def layer_sqnr(
    original: GraphModule, module: GraphModule, image: ImageQuantizer, pixels: np.ndarray
) -> dict[str, float]:
    """The signal-to-quantization-noise ratio of every layer on its own, in decibels.

    Each layer is given what the layer before computes in floats, on the grid of its operand, so
    that nothing is counted that was lost before.  Operators with a range of their own count as
    layers.

    Parameters
    ----------
    original : the network in floats
    module : the same in the forms that it is compressed to, with ranges
    image : ImageQuantizer
    pixels : uint8, shape (N, C, H, W), of which the first 16 are looked at

    Returns
    -------
    power of the layer's outputs over that of their errors, by name; infinite values left out

    Raises
    ------
    DecompositionError
        If the module has no ranges.
    """
    spans = module.tensor_ranges
    if spans is None:
        raise DecompositionError(f"{module.graph.name}: the network is not calibrated")
    signal: dict[str, float] = {}
    noise: dict[str, float] = {}
    device = next(original.parameters()).device
    with torch.no_grad():
        inputs = image_tensor(image, pixels[:IMAGES]).to(device)
        for node, operands, value in original.walk(inputs):
            if not node.operator.owns_range:
                continue
            pairs = zip(operands, node.inputs, strict=True)
            read = [fake_quantize(operand, spans[name]) for operand, name in pairs]
            found = module.run_node(node, read).double()
            signal[node.name] = float(value.double().square().sum())
            noise[node.name] = float((found - value.double()).square().sum())
    return {
        name: round(10 * math.log10(max(signal[name], TINY) / lost), 2)
        for name, lost in noise.items()
        if lost > 0
    }
