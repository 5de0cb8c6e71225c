"""calibrate: choose the ranges of a network's tensors from what it computes on images."""

from collections.abc import Mapping

import numpy as np
import torch

from escalate.train.activation_range import Range, choose_range, limits, logit_range
from escalate.train.images import image_range, image_tensor
from escalate.train.modules import GraphModule
from escalate.train.settings import Calibration
from workloads.integer import ImageQuantizer

BATCH = 128
SAMPLES_PER_TENSOR = 1 << 17  # values kept per tensor, evenly spread, beside the extremes


class Samples:
    """An even sample of every tensor with a range of its own, its extremes always included.

    Parameters
    ----------
    images : how many will be looked at, ``BATCH`` at once
    """

    def __init__(self, images: int) -> None:
        self._share = max(1, SAMPLES_PER_TENSOR // -(-images // BATCH))
        self._seen: dict[str, list[torch.Tensor]] = {}

    def keep(self, name: str, value: torch.Tensor) -> None:
        """Take what is wanted of a tensor on one batch."""
        flat = value.flatten()
        extremes = torch.stack(flat.aminmax())
        picked = flat[:: -(-flat.numel() // self._share)]
        self._seen.setdefault(name, []).append(torch.cat([picked, extremes]).cpu())

    def arrays(self) -> dict[str, np.ndarray]:
        """The sample of every tensor, a vector each."""
        return {name: torch.cat(parts).numpy() for name, parts in self._seen.items()}

    def __bool__(self) -> bool:
        """Whether anything was looked at."""
        return bool(self._seen)


def calibrate(
    module: GraphModule,
    image: ImageQuantizer,
    pixels: np.ndarray,
    method: Calibration,
    samples: Samples | None = None,
    known: Mapping[str, Range] | None = None,
) -> dict[str, Range]:
    """Ranges for all tensors of a network that have their own.

    Parameters
    ----------
    module : GraphModule without ranges, so that nothing is clipped while looking
    image : ImageQuantizer, which settles the input's range
    pixels : uint8, shape (N, C, H, W)
    method : how much to clip; see ``activation_range.choose_range``
    samples : of all tensors on these images, where the network was just run on them
    known : ranges that stand already, such as those of a quantized file

    Returns
    -------
    Range per node name; the network's output has 16 bits and is never clipped

    Raises
    ------
    DecompositionError
        If a tensor is not finite on these images.
    """
    first = module.graph.nodes[0].name
    bounds = limits(module.graph, signed_input=image.low < 0)
    ranges = {first: image_range(image), **(known or {})}
    if ranges.keys() >= bounds.keys():
        return ranges
    seen = samples or _observe(module, image, pixels)
    for name, sample in seen.arrays().items():
        if name in ranges:
            continue
        low, high = bounds[name]
        if high > 255:
            wide = logit_range(sample)
            ranges[name] = Range(wide.scale, low, high)
        else:
            ranges[name] = choose_range(sample, low, high, method)
    return ranges


def _observe(module: GraphModule, image: ImageQuantizer, pixels: np.ndarray) -> Samples:
    """What a network computes on images."""
    found, device = Samples(len(pixels)), next(module.parameters()).device
    with torch.no_grad():
        for start in range(0, len(pixels), BATCH):
            images = image_tensor(image, pixels[start : start + BATCH])
            module(images.to(device), observe=found.keep)
    return found
