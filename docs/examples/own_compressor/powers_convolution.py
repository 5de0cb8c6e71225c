"""powers_convolution: a convolution whose weights are powers of two, trained straight through."""

import numpy as np
import torch
from torch import nn

from escalate.train.convolutions import LayerIntegers, QuantizedConvolution
from workloads.layer import ConvLayer
from workloads.weights import LayerWeights


class PowersConvolution(QuantizedConvolution):
    """weight[k] = steps[k] * codes[k], where a code is 0, +-1, +-2, +-4 ... +-2^(powers - 1).

    ``weights`` are the floats that are trained; the largest of a channel has the largest code.
    """

    def __init__(
        self, layer: ConvLayer, weights: np.ndarray, bias: np.ndarray, powers: int
    ) -> None:
        super().__init__(layer, bias)
        self.powers = powers
        self.weights = nn.Parameter(torch.tensor(weights))

    def steps(self) -> torch.Tensor:
        """Value of code 1 for each output channel, (K,); 0 where the whole channel is 0."""
        largest = self.weights.detach().abs().amax(dim=(1, 2, 3))
        return largest / 2 ** (self.powers - 1)

    def codes(self) -> torch.Tensor:
        """The nearest power by its exponent, 0 below half of the smallest; float32."""
        steps = self.steps()[:, None, None, None]
        sizes = self.weights.detach() / torch.where(steps > 0, steps, torch.ones_like(steps))
        exponents = torch.round(torch.log2(sizes.abs().clamp(min=0.5)))
        found = torch.sign(sizes) * 2 ** exponents.clamp(0, self.powers - 1)
        return torch.where(sizes.abs() < 0.5, torch.zeros_like(found), found)

    def weight(self) -> torch.Tensor:
        """The weights that the network computes with; the gradient passes to ``weights``."""
        rounded = self.codes() * self.steps()[:, None, None, None]
        return self.weights + (rounded - self.weights).detach()

    def integers(self) -> LayerIntegers:
        """What is stored and what machines multiply by."""
        codes = self.codes().cpu().numpy().astype(np.int8)
        scales = self.steps().cpu().numpy().astype(np.float64)
        return LayerIntegers(LayerWeights(weights=codes), scales)

    def scale_channels(self, gains: torch.Tensor) -> None:
        """Multiply each output channel by its gain, as matching asks for."""
        with torch.no_grad():
            self.weights.mul_(gains[:, None, None, None])

    def survivors(self) -> torch.Tensor:
        """Which weights are not 0: what a report of density counts."""
        return self.codes() != 0
