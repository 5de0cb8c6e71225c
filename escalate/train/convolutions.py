"""Convolutions of a network under compression, as torch modules with one forward.

They differ in the weights they make of their parameters: floats as they came, eight bits per
output channel, ternary (1x1 layers), or a ternary mixture of an eight-bit basis.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from escalate.ternary.decompose import decompose
from escalate.ternary.quantize import WEIGHT_LIMIT, quantize_basis, quantize_weights
from escalate.ternary.survival import Survival
from escalate.ternary.ternary import TernaryLayer, refit, ternary_layer
from escalate.train.granularity import granularity as granularity_of
from escalate.train.straight_through import round_to_step, ternary
from workloads.layer import ConvLayer
from workloads.operators.conv import float_convolution
from workloads.weights import LayerWeights


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
        bias = self.bias if input_step is None else self.bias_on_grid(input_step)
        return float_convolution(self.layer, inputs, self.weight(), bias)


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

    def survivors(self) -> torch.Tensor | None:
        """Which coefficients or weights are not 0, bool (K, ...); None where none are dropped."""
        return None

    def penalty(self) -> torch.Tensor | None:
        """What retraining adds to the loss, a scalar; None for nothing."""
        return None

    def advance(self, done: float) -> None:
        """Move on while retraining, of which the share ``done``, 0..1, lies behind.

        Called several times in every epoch and at its end.
        """

    def thin(self, share: float) -> None:
        """Keep only ``share`` of what is kept now, the strongest, where anything is dropped."""


class Int8Convolution(QuantizedConvolution):
    """Weights of at most eight bits, one scale per output channel, for layers kept out of ternary.

    Parameters
    ----------
    layer : ConvLayer
    weights : float32, shape (K, C/groups, R, S)
    bias : float32, shape (K,)
    bits : 2..8; integers up to 2^(bits - 1) - 1
    steps : float32, shape (K,), of which the weights are whole numbers, where a file says so; else
        the largest magnitude of each channel is the largest integer
    """

    given: torch.Tensor | None

    def __init__(
        self,
        layer: ConvLayer,
        weights: np.ndarray,
        bias: np.ndarray,
        bits: int = 8,
        steps: np.ndarray | None = None,
    ) -> None:
        super().__init__(layer, bias)
        self.limit = (1 << (bits - 1)) - 1
        self.weights = nn.Parameter(torch.tensor(weights))
        self.register_buffer("given", None if steps is None else torch.tensor(steps))

    def latent(self) -> torch.Tensor:
        """The floats that are rounded."""
        return self.weights

    def weight(self) -> torch.Tensor:
        """The weights on their grid; the gradient passes straight through."""
        steps = self.steps()[:, None, None, None]
        return round_to_step(self.latent(), torch.where(steps > 0, steps, torch.ones_like(steps)))

    def steps(self) -> torch.Tensor:
        """Those given, or the largest magnitude of each output channel over the largest integer."""
        if self.given is not None:
            return self.given
        return self.latent().detach().abs().amax(dim=(1, 2, 3)) / self.limit

    def integers(self) -> LayerIntegers:
        """The integers and their scales."""
        given = None if self.given is None else _numpy(self.given)
        codes, scales = quantize_weights(_numpy(self.latent()), self.limit, given)
        return LayerIntegers(LayerWeights(weights=codes), scales)

    def scale_channels(self, gains: torch.Tensor) -> None:
        """Scale the weights."""
        with torch.no_grad():
            self.weights.mul_(gains[:, None, None, None])
            if self.given is not None:
                self.given.mul_(gains.abs())


class TernaryConvolution(QuantizedConvolution):
    """A 1x1 layer in ternary form: W[k,c] = a[k] s T[k,c], one basis kernel, which is the number 1.

    Parameters
    ----------
    layer : ConvLayer
    weights : float32, shape (K, C/groups, R, S)
    bias : float32, shape (K,)
    rule : which latent coefficients survive
    basis_size : M
    granularity : which scales are free, by name, see ``escalate.train.granularity``; s is what it
        adds, or 1
    importance : float >= 0, shape (C,), second moments of the input channels, which weight every
        squared error; None for 1
    ease : how far the rule is from its full force at first, 1..0

    Notes
    -----
    The trained ``latent`` coefficients are the SVD's, divided per output channel by their root
    mean square, so that one learning rate suits all layers.  Scales of granularities that have
    none per output channel are trained as one number; ``gains`` keeps the channels' sizes, which
    only matching moves.
    """

    thresholds: torch.Tensor
    gains: torch.Tensor
    share: torch.Tensor  # of the rule's density, below 1 where a budget asks for fewer

    def __init__(
        self,
        layer: ConvLayer,
        weights: np.ndarray,
        bias: np.ndarray,
        rule: Survival,
        basis_size: int = 1,
        *,
        granularity: str = "separable",
        importance: np.ndarray | None = None,
        ease: float = 0.0,
    ) -> None:
        super().__init__(layer, bias)
        self.rule, self.granularity = rule, granularity_of(granularity)
        self.register_buffer("share", torch.ones((), dtype=torch.float64))
        h = None if importance is None else per_weight(layer, importance)
        self._reach = None if h is None else np.sqrt(h)[:, :, None]
        exact = decompose(layer.name, weights, basis_size, h)
        limits = self._limits(exact.coefficients, ease)
        rough = ternary_layer(exact, limits, self.granularity.fit, h)
        fitted = refit(rough, weights, importance=h, shared=self.granularity.common)
        typical = np.sqrt((exact.coefficients.astype(np.float64) ** 2).mean(axis=(1, 2)))
        latent = exact.coefficients / np.where(typical > 0, typical, 1.0)[:, None, None]
        self.latent = nn.Parameter(torch.tensor(latent.astype(np.float32)))
        self.register_buffer("thresholds", torch.zeros(layer.K, 1, 1))
        self.update_thresholds(ease)
        self._adopt_scales(fitted)
        self._adopt(fitted)

    def _adopt_scales(self, fitted: TernaryLayer) -> None:
        filters: np.ndarray = fitted.filter_scales
        gains: np.ndarray = np.ones(self.layer.K, np.float32)
        if self.granularity.common:
            factor = float(filters.max(initial=0.0)) or 1.0
            filters, gains = np.array([factor], np.float32), filters / np.float32(factor)
        self.register_buffer("gains", torch.tensor(gains))
        self.filter_scales = nn.Parameter(torch.tensor(filters))
        for name, parameter in self.granularity.parameters(fitted).items():
            self.register_parameter(name, parameter)

    def _adopt(self, fitted: TernaryLayer) -> None:
        """Take the fitted basis; that of a 1x1 layer goes into a[k]."""
        with torch.no_grad():
            self.filter_scales.mul_(float(fitted.basis_scales[0] * fitted.basis.ravel()[0]))

    def _limits(self, coefficients: np.ndarray, ease: float) -> np.ndarray:
        """Thresholds (K,), or (K, C/groups) where input channels differ in importance."""
        rule = self.rule.eased(ease) if ease > 0 else self.rule
        rule = rule.thinned(float(self.share))
        if self._reach is None:
            return rule(coefficients)
        strength, reach = rule(coefficients * self._reach)[:, None], self._reach[:, :, 0]
        # An input channel that is never driven keeps no coefficient.
        return np.where(reach > 0, strength / np.where(reach > 0, reach, 1.0), np.inf)

    def update_thresholds(self, ease: float = 0.0) -> None:
        """Apply the rule to the latent coefficients as they are now; see ``Survival.eased``."""
        found = torch.from_numpy(self._limits(_numpy(self.latent), ease).astype(np.float32))
        found = found.reshape(*found.shape, *[1] * (3 - found.ndim)).to(self.thresholds.device)
        self.thresholds = found

    def thin(self, share: float) -> None:
        """Keep only ``share`` of the coefficients that the rule keeps now, the strongest."""
        self.share.mul_(share)
        self.update_thresholds()

    def scales(self) -> torch.Tensor:
        """a[k], shape (K,)."""
        return self.gains * self.filter_scales

    def signs(self) -> torch.Tensor:
        """T, float32 of shape (K, C/groups, M); the gradient passes straight to ``latent``."""
        return ternary(self.latent, self.thresholds)

    def survivors(self) -> torch.Tensor:
        """Coefficients that are not 0."""
        return self.signs().detach() != 0

    def scaled_signs(self) -> torch.Tensor:
        """s T on the grid of s, the gradient passing to ``latent`` and to what s is made of."""
        return self.granularity.factors(self)

    def weight(self) -> torch.Tensor:
        """a[k] s T[k,c]."""
        return (self.scaled_signs() * self.scales()[:, None, None])[..., None]

    def steps(self) -> torch.Tensor:
        """a[k] times the value of one step of s."""
        return self.granularity.steps(self, self.scales().detach())

    def integers(self) -> LayerIntegers:
        """Ternary coefficients without a basis."""
        scales = _numpy(self.steps()).astype(np.float64)
        return LayerIntegers(LayerWeights(coefficients=self._codes(), **self._factors()), scales)

    def scale_channels(self, gains: torch.Tensor) -> None:
        """Scale a[k]."""
        with torch.no_grad():
            shared = self.filter_scales.numel() != gains.numel()
            (self.gains if shared else self.filter_scales).mul_(gains)

    def _codes(self) -> np.ndarray:
        return np.ascontiguousarray(_numpy(self.signs()).astype(np.int8))

    def _factors(self) -> dict[str, Any]:
        """The integers of s: ``alpha`` or ``two_sided``, by name."""
        with torch.no_grad():
            return self.granularity.integers(self)


class DecomposedConvolution(TernaryConvolution):
    """W[k,c] = a[k] sum over m of s T[k,c,m] B[m], with B[m] = b[m] Bf[m] on an eight-bit grid.

    ``latent``, a (``filter_scales``), b (``basis_scales``) and Bf (``basis``) are all trained.
    Where the granularity has no b, it is 1 and stays so; Bf comes as the least squares have it.
    """

    def _adopt(self, fitted: TernaryLayer) -> None:
        basis, scales = fitted.basis, fitted.basis_scales
        if not self.granularity.basis:
            basis, scales = basis * scales[:, None, None], np.ones_like(scales)
        self.basis = nn.Parameter(torch.tensor(basis))
        trained = self.granularity.trains_basis
        self.basis_scales = nn.Parameter(
            torch.tensor(scales),
            requires_grad=self.granularity.basis if trained is None else trained,
        )

    def kernels(self) -> torch.Tensor:
        """b[m] Bf[m] on the layer's eight-bit grid, shape (M, R, S)."""
        return round_to_step(self._scaled_basis(), self._basis_step())

    def steps(self) -> torch.Tensor:
        """a[k] times the steps of s and of the basis."""
        return super().steps() * self._basis_step()

    def _scaled_basis(self) -> torch.Tensor:
        return self.basis * self.basis_scales[:, None, None]

    def _basis_step(self) -> torch.Tensor:
        step = self._scaled_basis().detach().abs().amax() / WEIGHT_LIMIT
        return torch.where(step > 0, step, torch.ones_like(step))

    def weight(self) -> torch.Tensor:
        """The weights that signs, scales and basis make together."""
        kernels = self.kernels()
        mixed = self.scaled_signs().flatten(0, 1) @ kernels.flatten(1)
        weights = mixed.unflatten(0, self.latent.shape[:2]).unflatten(2, kernels.shape[1:])
        return weights * self.scales()[:, None, None, None]

    def integers(self) -> LayerIntegers:
        """Ternary coefficients and the eight-bit basis; its step is folded into the scales."""
        basis = quantize_basis(_numpy(self.basis), _numpy(self.basis_scales))
        scales = _numpy(super().steps()).astype(np.float64) * basis.step
        weights = LayerWeights(basis=basis.kernels, coefficients=self._codes(), **self._factors())
        return LayerIntegers(weights, scales)


def per_weight(layer: ConvLayer, importance: np.ndarray) -> np.ndarray:
    """Importance of the input channels (C,) as each output channel sees them, (K, C/groups)."""
    by_group = importance.astype(np.float64).reshape(layer.groups, layer.channels_per_group)
    return np.repeat(by_group, layer.K // layer.groups, axis=0)


def _numpy(values: torch.Tensor) -> np.ndarray:
    """A copy on the host, outside the gradient."""
    array: np.ndarray = values.detach().cpu().numpy().copy()
    return array
