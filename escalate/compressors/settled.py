"""settled: a convolution whose integers a compressor has chosen; matching moves scales alone."""

import numpy as np
import torch

from escalate.errors import DecompositionError
from escalate.ternary.quantize import WEIGHT_LIMIT, quantize, step_of
from escalate.train.convolutions import LayerIntegers, QuantizedConvolution
from workloads.layer import ConvLayer
from workloads.weights import LayerWeights


def channel_sizes(weights: np.ndarray) -> np.ndarray:
    """Root mean square of every output channel, 1 where all of it is 0; float64, shape (K,).

    Examples
    --------
    >>> channel_sizes(np.array([[[[3.0, -3.0]]], [[[0.0, 0.0]]]])).tolist()
    [3.0, 1.0]
    """
    power = (weights.astype(np.float64) ** 2).mean(axis=(1, 2, 3))
    return np.sqrt(np.where(power > 0, power, 1.0))


class SettledConvolution(QuantizedConvolution):
    """Weights of a few values: weight[k] = scales[k] * codes[k], nothing of it trained.

    The values are rounded to eight bits, with one step for the layer, so that its codes take no
    more different values than its weights, and their table is part of what is stored.

    Parameters
    ----------
    layer : ConvLayer
    weights : float, shape (K, C/groups, R, S), as they are meant to be, divided by ``scales``
    bias : float32, shape (K,)
    scales : float > 0, shape (K,), of the output channels, which requantizers multiply by anyway

    Raises
    ------
    DecompositionError
        If the shape is not the layer's.
    """

    codes: torch.Tensor
    scales: torch.Tensor

    def __init__(
        self, layer: ConvLayer, weights: np.ndarray, bias: np.ndarray, scales: np.ndarray
    ) -> None:
        super().__init__(layer, bias)
        if weights.shape != layer.weight_shape or scales.shape != (layer.K,):
            raise DecompositionError(
                f"{layer.name}: weights are {weights.shape} and scales {scales.shape}, "
                f"wanted {layer.weight_shape} and ({layer.K},)"
            )
        step = step_of(weights)
        codes = quantize(weights, step, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)
        used = codes.any(axis=(1, 2, 3))
        self.register_buffer("codes", torch.from_numpy(codes))
        self.register_buffer("scales", torch.from_numpy(np.where(used, step * scales, 0.0)))

    def weight(self) -> torch.Tensor:
        """The codes times their scales."""
        return (self.codes * self.scales[:, None, None, None]).float()

    def steps(self) -> torch.Tensor:
        """The scales; 0 exactly where a whole channel is zero."""
        return self.scales.float()

    def integers(self) -> LayerIntegers:
        """The codes and their scales."""
        codes = np.ascontiguousarray(self.codes.cpu().numpy())
        return LayerIntegers(LayerWeights(weights=codes), self.scales.cpu().numpy().copy())

    def scale_channels(self, gains: torch.Tensor) -> None:
        """Scale the scales."""
        self.scales.mul_(gains.double())

    def survivors(self) -> torch.Tensor:
        """Weights that are not 0."""
        return self.codes != 0
