"""variational: a network's weights in as many bits as their uncertainty is worth.

Yang, Bamler, Mandt, "Variational Bayesian Quantization" (ICML 2020), on weights of a network that
has no posterior.  It gets one from the curvature at its weights (Laplace):

    1 / sigma^2 = N I + tau

with N training images, the Fisher information I of one image, and the precision tau of the prior.
The distortion is then that of ``rate_distortion`` but for a factor; codebook and rate differ.

Assumptions: ours.  Weights are divided by their output channel's root mean square first, as in
``rate_distortion``; the prior of what is left is a normal distribution with the layer's root mean
square; tau is its precision; chosen points are rounded to eight bits, which machines multiply by.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from escalate.capture.network import FloatNetwork
from escalate.compressors import code_points
from escalate.compressors.distortion import Cost
from escalate.compressors.priors import Gaussian
from escalate.compressors.settled import SettledConvolution, channel_sizes
from escalate.errors import DecompositionError
from escalate.train.fisher import Asked
from escalate.train.fisher_cache import cached_fisher
from escalate.train.modules import GraphModule
from workloads.integer import ImageQuantizer
from workloads.layer import ConvLayer
from workloads.npz import NPZ_ERRORS


def precisions(
    network: FloatNetwork,
    original: GraphModule,
    image: ImageQuantizer,
    pixels: np.ndarray,
    labels: np.ndarray | None,
    *,
    kind: str,
    images: int,
    seed: int = 0,
) -> dict[str, Cost]:
    """1 / sigma^2 of every weight, as the cost of moving it.

    Parameters
    ----------
    network : FloatNetwork
    original : the same network as a module
    image : ImageQuantizer
    pixels : uint8, shape (n, C, H, W), images to measure the Fisher information on
    labels : integers, shape (n,), for ``labels``
    kind : ``fisher``, ``labels`` (the empirical Fisher information), or ``constant``: of weights
        divided by their channel's root mean square, all the same
    images : N
    seed : of the classes that are drawn where the network has many
    """
    found: dict[str, np.ndarray] = {}
    if kind != "constant":
        asked = Asked("labels" if kind == "labels" else "model", seed=seed)
        found = cached_fisher(original, image, pixels, asked, labels)
    costs = {}
    for node in network.graph.convs:
        weights = network.weights[node.name]
        by = channel_sizes(weights)[:, None, None, None]
        spread = np.mean((weights / by) ** 2) or 1.0
        own = np.broadcast_to(1 / (spread * by**2), weights.shape)
        precision = own if kind == "constant" else images * found[node.name] + own
        costs[node.name] = Cost(precision, np.zeros(weights.shape))
    return costs


def given_precisions(path: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Cost]:
    """1 / sigma^2 from a file of variances.

    Parameters
    ----------
    path : an .npz file with an array for each layer, of its weights' shape, every number above 0
    shapes : of the layers' weights, batch norms folded

    Raises
    ------
    DecompositionError
        If the file cannot be read, misses a layer, or holds a shape or number that is not so.
    """
    try:
        archive = np.load(Path(path), allow_pickle=False)
        arrays = {name: archive[name] for name in archive.files}
    except NPZ_ERRORS as error:
        reason = getattr(error, "strerror", None) or "is no .npz file of arrays"
        raise DecompositionError(f"variances: {path}: {reason}") from None
    for name in sorted(set(arrays).difference(shapes)):
        raise DecompositionError(f"variances: {path}: {name}: no such layer")
    costs = {}
    for name, shape in shapes.items():
        if name not in arrays:
            raise DecompositionError(f"variances: {path}: {name}: the layer is missing")
        values = arrays[name]
        if values.shape != shape or values.dtype.kind not in "fiu":
            raise DecompositionError(
                f"variances: {path}: {name}: is {values.dtype} {values.shape}, "
                f"wanted numbers of {shape}"
            )
        wrong = ~(np.isfinite(values) & (values > 0))
        if wrong.any():
            raise DecompositionError(
                f"variances: {path}: {name}: one is {values[wrong][0]}, wanted finite and above 0"
            )
        costs[name] = Cost(1 / values.astype(np.float64), np.zeros(shape))
    return costs


def variational_layer(
    layer: ConvLayer, weights: np.ndarray, bias: np.ndarray, cost: Cost, penalty: float
) -> SettledConvolution:
    """A layer whose weights take the code points that are cheapest.

    Parameters
    ----------
    layer : ConvLayer
    weights : float32, shape (K, C/groups, R, S)
    bias : float32, shape (K,)
    cost : 1 / sigma^2
    penalty : lambda, price of a bit in nats
    """
    scales = channel_sizes(weights)
    by = scales[:, None, None, None]
    even = weights.astype(np.float64) / by
    if not even.any():
        return SettledConvolution(layer, even, bias, scales)
    deviations = 1 / np.sqrt(cost.square * by**2)
    found = code_points.quantize(even, deviations, Gaussian.of(even), penalty)
    return SettledConvolution(layer, found.values, bias, scales)
