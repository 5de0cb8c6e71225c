"""Convolutions of a network under compression, as torch modules with one forward.

They differ in the weights they make of their parameters: floats as they came, eight bits per
output channel, ternary (1x1 layers), or a ternary mixture of an eight-bit basis.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from escalate.decompose import decompose
from escalate.quantize import WEIGHT_LIMIT, quantize_basis, quantize_weights
from escalate.straight_through import round_to_step, ternary
from escalate.ternary import refit, ternary_layer
from workloads.integer import LayerWeights
from workloads.layer import ConvLayer

ThresholdRule = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class LayerIntegers:
    """A layer's integers, with the value of one integer per output channel.

    Parameters
    ----------
    weights : LayerWeights
    scales : float64, shape (K,), may be negative or 0; weight[k] = scales[k] * integer
    """

    weights: LayerWeights
    scales: np.ndarray


class Convolution(nn.Module):
    """A convolution whose weights a subclass makes; ``bias`` is float32 of shape (K,)."""

    def __init__(self, layer: ConvLayer, bias: np.ndarray) -> None:
        super().__init__()
        self.layer = layer
        self.bias = nn.Parameter(torch.tensor(bias))

    def weight(self) -> torch.Tensor:
        """The effective weights, float32 of shape (K, C/groups, R, S)."""
        raise NotImplementedError(f"{type(self).__name__} makes no weights")

    def bias_on_grid(self, input_step: float) -> torch.Tensor:
        """The bias as it can be added to psums of inputs with that step; here it is exact."""
        return self.bias

    def forward(self, inputs: torch.Tensor, input_step: float | None = None) -> torch.Tensor:
        """Convolve float inputs of shape (N, C, H, W) to (N, K, P, Q).

        ``input_step`` is the value of one integer step of the inputs; None for exact inputs.
        """
        top, bottom, left, right = self.layer.padding
        padding = (top, left)
        if top != bottom or left != right:
            inputs = functional.pad(inputs, (left, right, top, bottom))
            padding = (0, 0)
        return functional.conv2d(
            inputs,
            self.weight(),
            self.bias if input_step is None else self.bias_on_grid(input_step),
            stride=self.layer.stride,
            padding=padding,
            dilation=self.layer.dilation,
            groups=self.layer.groups,
        )


class FloatConvolution(Convolution):
    """Weights as they came: the original network, the teacher of a distillation."""

    def __init__(self, layer: ConvLayer, weights: np.ndarray, bias: np.ndarray) -> None:
        super().__init__(layer, bias)
        self.weights = nn.Parameter(torch.tensor(weights))

    def weight(self) -> torch.Tensor:
        """The float weights."""
        return self.weights


class QuantizedConvolution(Convolution):
    """A convolution that has integers."""

    def steps(self) -> torch.Tensor:
        """Value of one integer of the weights per output channel, shape (K,), outside gradients."""
        raise NotImplementedError(f"{type(self).__name__} has no steps")

    def bias_on_grid(self, input_step: float) -> torch.Tensor:
        """The bias in whole psums, as the requantizer adds it; the gradient passes through.

        Ternary 1x1 layers have coarse psums, so that this rounding is felt.
        """
        psum = self.steps().abs() * input_step
        rounded = round_to_step(self.bias, torch.where(psum > 0, psum, torch.ones_like(psum)))
        return torch.where(psum > 0, rounded, self.bias)

    def integers(self) -> LayerIntegers:
        """What the integer model stores, equal to ``weight()`` up to float rounding."""
        raise NotImplementedError(f"{type(self).__name__} makes no integers")

    def scale_channels(self, gains: torch.Tensor) -> None:
        """Multiply the weights of every output channel by its gain, shape (K,), in place."""
        raise NotImplementedError(f"{type(self).__name__} has no scales")


class Int8Convolution(QuantizedConvolution):
    """Eight-bit weights with one scale per output channel, for layers kept out of ternary."""

    def __init__(self, layer: ConvLayer, weights: np.ndarray, bias: np.ndarray) -> None:
        super().__init__(layer, bias)
        self.weights = nn.Parameter(torch.tensor(weights))

    def weight(self) -> torch.Tensor:
        """The weights on their eight-bit grid; the gradient passes straight through."""
        steps = self.steps()[:, None, None, None]
        return round_to_step(self.weights, torch.where(steps > 0, steps, torch.ones_like(steps)))

    def steps(self) -> torch.Tensor:
        """Largest magnitude of each output channel over 127."""
        return self.weights.detach().abs().amax(dim=(1, 2, 3)) / WEIGHT_LIMIT

    def integers(self) -> LayerIntegers:
        """Eight-bit weights and their scales."""
        codes, scales = quantize_weights(_numpy(self.weights))
        return LayerIntegers(LayerWeights(weights=codes), scales)

    def scale_channels(self, gains: torch.Tensor) -> None:
        """Scale the weights."""
        with torch.no_grad():
            self.weights.mul_(gains[:, None, None, None])


class TernaryConvolution(QuantizedConvolution):
    """A 1x1 layer in ternary form: W[k,c] = a[k] T[k,c], one basis kernel, which is the number 1.

    Parameters
    ----------
    layer : ConvLayer
    weights : float32, shape (K, C/groups, R, S)
    bias : float32, shape (K,)
    rule : latent coefficients (K, C/groups, M) -> thresholds (K,)
    basis_size : M

    Notes
    -----
    The trained ``latent`` coefficients are the SVD's, divided per output channel by their root
    mean square, so that one learning rate suits all layers.
    """

    thresholds: torch.Tensor

    def __init__(
        self,
        layer: ConvLayer,
        weights: np.ndarray,
        bias: np.ndarray,
        rule: ThresholdRule,
        basis_size: int = 1,
    ) -> None:
        super().__init__(layer, bias)
        self.rule = rule
        exact = decompose(layer.name, weights, basis_size)
        fitted = refit(ternary_layer(exact, rule(exact.coefficients)), weights)
        typical = np.sqrt((exact.coefficients.astype(np.float64) ** 2).mean(axis=(1, 2)))
        latent = exact.coefficients / np.where(typical > 0, typical, 1.0)[:, None, None]
        self.latent = nn.Parameter(torch.tensor(latent.astype(np.float32)))
        self.register_buffer("thresholds", torch.zeros(layer.K, 1, 1))
        self.update_thresholds()
        self._adopt(fitted.filter_scales, fitted.basis_scales, fitted.basis)

    def _adopt(self, filters: np.ndarray, basis_scales: np.ndarray, basis: np.ndarray) -> None:
        """Take the fitted scales; basis and basis scale of a 1x1 layer go into a[k]."""
        folded = filters * basis_scales[0] * basis.ravel()[0]
        self.filter_scales = nn.Parameter(torch.tensor(folded))

    def update_thresholds(self) -> None:
        """Apply the rule to the latent coefficients as they are now."""
        found = self.rule(_numpy(self.latent)).astype(np.float32)
        self.thresholds.copy_(torch.from_numpy(found)[:, None, None])

    def signs(self) -> torch.Tensor:
        """T, float32 of shape (K, C/groups, M); the gradient passes straight to ``latent``."""
        return ternary(self.latent, self.thresholds)

    def weight(self) -> torch.Tensor:
        """a[k] T[k,c]."""
        return (self.signs() * self.filter_scales[:, None, None])[..., None]

    def steps(self) -> torch.Tensor:
        """a[k]."""
        return self.filter_scales.detach()

    def integers(self) -> LayerIntegers:
        """Ternary coefficients without a basis."""
        scales = _numpy(self.filter_scales).astype(np.float64)
        return LayerIntegers(LayerWeights(coefficients=self._codes()), scales)

    def scale_channels(self, gains: torch.Tensor) -> None:
        """Scale a[k]."""
        with torch.no_grad():
            self.filter_scales.mul_(gains)

    def _codes(self) -> np.ndarray:
        return np.ascontiguousarray(_numpy(self.signs()).astype(np.int8))


class DecomposedConvolution(TernaryConvolution):
    """W[k,c] = a[k] sum over m of T[k,c,m] B[m], with B[m] = b[m] Bf[m] on an eight-bit grid.

    ``latent``, a (``filter_scales``), b (``basis_scales``) and Bf (``basis``) are all trained.
    """

    def _adopt(self, filters: np.ndarray, basis_scales: np.ndarray, basis: np.ndarray) -> None:
        self.filter_scales = nn.Parameter(torch.tensor(filters))
        self.basis_scales = nn.Parameter(torch.tensor(basis_scales))
        self.basis = nn.Parameter(torch.tensor(basis))

    def kernels(self) -> torch.Tensor:
        """b[m] Bf[m] on the layer's eight-bit grid, shape (M, R, S)."""
        return round_to_step(self._scaled_basis(), self._basis_step())

    def steps(self) -> torch.Tensor:
        """a[k] times the step of the basis."""
        return self.filter_scales.detach() * self._basis_step()

    def _scaled_basis(self) -> torch.Tensor:
        return self.basis * self.basis_scales[:, None, None]

    def _basis_step(self) -> torch.Tensor:
        step = self._scaled_basis().detach().abs().amax() / WEIGHT_LIMIT
        return torch.where(step > 0, step, torch.ones_like(step))

    def weight(self) -> torch.Tensor:
        """The weights that signs, scales and basis make together."""
        mixing = self.signs() * self.filter_scales[:, None, None]
        return torch.tensordot(mixing, self.kernels(), dims=1)

    def integers(self) -> LayerIntegers:
        """Ternary coefficients and the eight-bit basis; its step is folded into the scales."""
        basis = quantize_basis(_numpy(self.basis), _numpy(self.basis_scales))
        scales = _numpy(self.filter_scales).astype(np.float64) * basis.step
        return LayerIntegers(LayerWeights(basis=basis.kernels, coefficients=self._codes()), scales)


def _numpy(values: torch.Tensor) -> np.ndarray:
    """A copy on the host, outside the gradient."""
    array: np.ndarray = values.detach().cpu().numpy().copy()
    return array
