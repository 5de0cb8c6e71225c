"""layers: what the rows of published tables describe, as layers and as masks of ones."""

from collections.abc import Mapping

import numpy as np

from workloads.hash_masks import mask
from workloads.layer import ConvLayer


def square(row: Mapping[str, str], name: str = "layer") -> ConvLayer:
    """A layer with square planes, kernels and padding: C, K, H, R, stride, pad, groups.

    Examples
    --------
    >>> row = {"layer": "a", "C": "3", "K": "8", "H": "9", "R": "3", "stride": "2", "pad": "1"}
    >>> square(row).P, square(row).weight_shape
    (5, (8, 3, 3, 3))
    """
    side, kernel = int(row["H"]), int(row["R"])
    return ConvLayer(
        row[name],
        C=int(row["C"]),
        K=int(row["K"]),
        H=side,
        W=side,
        R=kernel,
        S=kernel,
        stride=int(row["stride"]),
        padding=(int(row["pad"]),) * 4,
        groups=int(row.get("groups", "1")),
    )


def ones(
    layer: ConvLayer, densities: tuple[float, float], salts: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Activations, uint8 (1, C, H, W), and weights, int8, of 1 where their hash masks are set.

    Examples
    --------
    >>> pixels, weights = ones(ConvLayer("fc", C=4, K=2, H=1, W=1), (1.0, 0.5), (1, 2))
    >>> pixels.ravel().tolist(), weights.dtype
    ([1, 1, 1, 1], dtype('int8'))
    """
    pixels = mask((1, layer.C, layer.H, layer.W), densities[0], salts[0])
    return pixels.view(np.uint8), mask(layer.weight_shape, densities[1], salts[1]).view(np.int8)
