"""Rounding steps that let gradients pass: forward they round, backward they pretend they did not.

Rules (Assumption: ours, the usual straight-through estimators):

================= ============================ =======================================
function          forward                      gradient passed to the first argument
================= ============================ =======================================
``ternary``       sign(x) where |x| > t, or 0  unchanged, everywhere
``round_to_step`` step * round(x / step)       unchanged, everywhere
``fake_quantize`` the same, clamped            unchanged inside the clamp, 0 outside
================= ============================ =======================================
"""

from typing import Any

import torch

from escalate.activation_range import Range


class _Ternary(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, latent: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
        return torch.where(latent.abs() > thresholds, latent.sign(), torch.zeros_like(latent))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None


class _RoundToStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        return torch.round(values / step) * step

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, scale: float, low: int, high: int) -> torch.Tensor:
        steps = torch.floor(values / scale + 0.5)
        ctx.save_for_backward((steps >= low) & (steps <= high))
        return steps.clamp_(low, high) * scale

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (inside,) = ctx.saved_tensors
        return gradient * inside, None, None, None


def ternary(latent: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
    """Signs of what exceeds the thresholds (broadcast), 0 elsewhere.

    Examples
    --------
    >>> ternary(torch.tensor([0.5, -0.1, -0.7]), torch.tensor(0.2)).tolist()
    [1.0, 0.0, -1.0]
    """
    signs: torch.Tensor = _Ternary.apply(latent, thresholds)
    return signs


def round_to_step(values: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """The nearest multiples of ``step`` (broadcast), half to even.

    Examples
    --------
    >>> round_to_step(torch.tensor([0.6, -1.1]), torch.tensor(0.5)).tolist()
    [0.5, -1.0]
    """
    rounded: torch.Tensor = _RoundToStep.apply(values, step)
    return rounded


def fake_quantize(values: torch.Tensor, span: Range) -> torch.Tensor:
    """The numbers that the integers of ``span`` can stand for, half up as the requantizer rounds.

    Examples
    --------
    >>> fake_quantize(torch.tensor([0.6, -1.1, 99.0]), Range(0.5, 0, 10)).tolist()
    [0.5, 0.0, 5.0]
    """
    quantized: torch.Tensor = _FakeQuantize.apply(values, span.scale, span.low, span.high)
    return quantized
