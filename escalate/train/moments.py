"""moments: how strongly each input channel of each layer is driven, measured on images."""

import numpy as np
import torch

from escalate.train.images import image_tensor
from escalate.train.modules import GraphModule
from workloads.integer import ImageQuantizer

BATCH = 64


def input_moments(
    module: GraphModule, image: ImageQuantizer, pixels: np.ndarray
) -> dict[str, np.ndarray]:
    """Mean square of every input channel of every convolution.

    An error in a weight of channel c costs, in the layer's output, in proportion to this: with
    inputs of different channels uncorrelated, E||(W - W') x||^2 = sum (W - W')^2 E[x_c^2].

    Parameters
    ----------
    module : GraphModule, the original network
    image : ImageQuantizer
    pixels : uint8, shape (N, C, H, W)

    Returns
    -------
    float64, shape (C,), per convolution
    """
    sums: dict[str, torch.Tensor] = {}
    device = next(module.parameters()).device
    with torch.no_grad():
        for start in range(0, len(pixels), BATCH):
            images = image_tensor(image, pixels[start : start + BATCH]).to(device)
            for node, operands, _ in module.walk(images):
                if node.layer is not None:
                    power = operands[0].double().square().mean(dim=(2, 3)).sum(dim=0)
                    sums[node.name] = sums.get(node.name, 0.0) + power
    return {name: (total / len(pixels)).cpu().numpy() for name, total in sums.items()}
