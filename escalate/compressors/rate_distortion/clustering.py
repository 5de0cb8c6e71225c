"""clustering: weights pruned and clustered by what the network's answers mind.

Gao, Liu, Wang, Oh, "Rate Distortion For Model Compression" (ICML 2019, arXiv 1810.06401).  Nothing
is retrained.  Per layer the share r of the costliest weights stays, and these share k values.

Assumption: weights are divided by their output channel's root mean square first, because folded
batch norms give every channel a size of its own; costs are multiplied by its square, so that the
objective stays the same number.  Scales of channels are stored in requantizers either way.
"""

from collections.abc import Mapping

import numpy as np

from escalate.compressors.distortion import Cost, cluster, survivors
from escalate.compressors.rate_distortion.compressor import Objective
from escalate.compressors.settled import SettledConvolution, channel_sizes
from escalate.train.fisher import Asked, Kind
from escalate.train.fisher_cache import cached_fisher
from escalate.train.modules import GraphModule
from workloads.integer import ImageQuantizer
from workloads.layer import ConvLayer

SQUARE: Mapping[str, Kind] = {
    "kl": "model",
    "gradient": "labels",
    "hessian": "model",
    "gradient_hessian": "labels",
}


def costs(
    original: GraphModule,
    image: ImageQuantizer,
    pixels: np.ndarray,
    labels: np.ndarray | None,
    objective: Objective,
    seed: int = 0,
) -> dict[str, Cost]:
    """What it costs to move each weight of a network.

    Parameters
    ----------
    original : GraphModule, the network in floats
    image : ImageQuantizer
    pixels : uint8, shape (N, C, H, W), images to calibrate with
    labels : integers, shape (N,), for the objectives of ``NEED_LABELS``
    objective : ``baseline``: 1; ``kl``: the Fisher information of the network's own answers;
        ``gradient``: that of the labels; ``hessian``: the diagonal of the Hessian, which is
        ``kl`` for networks piecewise linear in each layer's weights, as all here are;
        ``gradient_hessian``: ``gradient``, and squared diagonals for the fourth power
    seed : of the classes that are drawn where the network has many

    Raises
    ------
    DataError
        If labels are missing.
    """
    shapes = {n.name: n.layer.weight_shape for n in original.graph.convs if n.layer is not None}
    none = {name: np.zeros(shape) for name, shape in shapes.items()}
    if objective == "baseline":
        return {name: Cost(np.ones(shape), none[name]) for name, shape in shapes.items()}
    square = cached_fisher(original, image, pixels, Asked(SQUARE[objective], seed=seed), labels)
    fourth = none
    if objective == "gradient_hessian":
        fourth = cached_fisher(original, image, pixels, Asked("curvature", seed=seed))
    return {name: Cost(square[name], fourth[name]) for name in shapes}


def compressed_layer(
    layer: ConvLayer,
    weights: np.ndarray,
    bias: np.ndarray,
    cost: Cost,
    *,
    density: float,
    clusters: int,
) -> SettledConvolution:
    """A layer of which a share stays and takes few values.

    Parameters
    ----------
    layer : ConvLayer
    weights : float32, shape (K, C/groups, R, S)
    bias : float32, shape (K,)
    cost : Cost of the weights
    density : r, share of the weights that stay, 0..1
    clusters : k, values that these take, 0 for the others not counted
    """
    scales = channel_sizes(weights)
    by = scales[:, None, None, None]
    even = weights / by
    priced = Cost(cost.square * by**2, cost.fourth * by**4)
    mask = survivors(even, priced, density)
    found: np.ndarray = np.zeros(weights.shape)
    found[mask] = cluster(even[mask], priced.of(mask), clusters).weights
    return SettledConvolution(layer, found, bias, scales)
