"""convolve: the exact integer convolution of one layer, in plain NumPy; it judges the machines."""

import numpy as np

from workloads.tensors import LayerTensors


def convolve(tensors: LayerTensors) -> np.ndarray:
    """Convolve the activations of a layer with its dense integer weights.

    One multiply-accumulate per kernel tap over all images and channels, in int64; any strides,
    asymmetric padding, dilations and groups.  No bias and no requantization.

    Parameters
    ----------
    tensors : LayerTensors

    Returns
    -------
    psums : int64, shape (N, K, P, Q)

    Examples
    --------
    >>> from workloads.layer import ConvLayer
    >>> layer = ConvLayer("row", C=1, K=1, H=1, W=4, S=2, stride=2)
    >>> pixels = np.array([[[[1, 2, 3, 4]]]], np.uint8)
    >>> convolve(LayerTensors(layer, pixels, np.array([[[[1, -1]]]], np.int8))).tolist()
    [[[[-1, -1]]]]
    """
    layer = tensors.layer
    top, bottom, left, right = layer.padding
    pixels = np.pad(
        tensors.activations.astype(np.int64), ((0, 0), (0, 0), (top, bottom), (left, right))
    )
    groups, images = layer.groups, tensors.images
    weights = tensors.dense_weights().astype(np.int64)
    weights = weights.reshape(groups, layer.K // groups, *weights.shape[1:])
    psums = np.zeros((images, groups, layer.K // groups, layer.P * layer.Q), np.int64)
    for r in range(layer.R):
        for s in range(layer.S):
            taps = pixels[:, :, *layer.tap(r, s)]
            taps = taps.reshape(images, groups, layer.channels_per_group, layer.P * layer.Q)
            psums += np.einsum("gkc,ngcp->ngkp", weights[:, :, :, r, s], taps)
    return psums.reshape(images, layer.K, layer.P, layer.Q)
