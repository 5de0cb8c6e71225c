"""Rounding steps that let gradients pass: forward they round, backward they pretend they did not.

Rules (Assumption: ours, the usual straight-through estimators):

================= ============================ =======================================
function          forward                      gradient passed to the first argument
================= ============================ =======================================
``ternary``       sign(x) where |x| > t, or 0  unchanged, everywhere
``ternary_from``  sign(x) where |x| >= t, or 0 unchanged where |x| < 1, 0 beyond
``round_to_step`` step * round(x / step)       unchanged, everywhere
``fake_quantize`` the same, clamped            unchanged inside the clamp, 0 outside
``two_sided``     p where x > t, -n where      times p where x > t, n where x < -t, 1
                  x < -t, or 0                 between; to p the sum over the first kind, to
                                               n minus the sum over the second
================= ============================ =======================================

The second is that of the scripts behind weight penalty clipping, see
``escalate.compressors.wpc.convolution``.  The last is trained ternary quantization (arXiv
1612.01064).  Its gradient of n is the derivative of -n, which the copy in PyTorch that is often
used has with the wrong sign.
"""

from typing import Any

import torch

from escalate.train.activation_range import Range


class _Ternary(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, latent: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
        return torch.where(latent.abs() > thresholds, latent.sign(), torch.zeros_like(latent))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None


class _TernaryFrom(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, latent: torch.Tensor, least: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(latent)
        return torch.where(latent.abs() >= least, latent.sign(), torch.zeros_like(latent))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (latent,) = ctx.saved_tensors
        return torch.where(latent.abs() < 1, gradient, torch.zeros_like(gradient)), None


class _RoundToStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        return torch.round(values / step) * step

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None


class _FakeQuantize(torch.autograd.Function):
    """In four passes forward and one backward: this runs over every activation of every step."""

    @staticmethod
    def forward(
        ctx: Any, values: torch.Tensor, span: Range, lowest: float, highest: float
    ) -> torch.Tensor:
        ctx.save_for_backward(values)
        ctx.inside = (lowest, highest)
        half = torch.tensor(0.5, dtype=values.dtype, device=values.device)
        steps = torch.add(half, values, alpha=1.0 / span.scale).floor_()
        return steps.clamp_(span.low, span.high).mul_(span.scale)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (values,) = ctx.saved_tensors
        passed = torch.ops.aten.hardtanh_backward(gradient, values, *ctx.inside)
        return passed, None, None, None


class _TwoSided(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        latent: torch.Tensor,
        thresholds: torch.Tensor,
        positive: torch.Tensor,
        negative: torch.Tensor,
    ) -> torch.Tensor:
        above, below = latent > thresholds, latent < -thresholds
        ctx.save_for_backward(above, below, positive, negative)
        return above * positive - below * negative

    @staticmethod
    def backward(
        ctx: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, None, torch.Tensor, torch.Tensor]:
        above, below, positive, negative = ctx.saved_tensors
        to_latent = torch.where(above, gradient * positive, gradient)
        to_latent = torch.where(below, gradient * negative, to_latent)
        return to_latent, None, (gradient * above).sum(), -(gradient * below).sum()


def ternary(latent: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
    """Signs of what exceeds the thresholds (broadcast), 0 elsewhere.

    Examples
    --------
    >>> ternary(torch.tensor([0.5, -0.1, -0.7]), torch.tensor(0.2)).tolist()
    [1.0, 0.0, -1.0]
    """
    signs: torch.Tensor = _Ternary.apply(latent, thresholds)
    return signs


def ternary_from(latent: torch.Tensor, least: torch.Tensor) -> torch.Tensor:
    """Signs of what is at least ``least`` > 0 (broadcast) in magnitude, 0 elsewhere.

    Examples
    --------
    >>> ternary_from(torch.tensor([0.5, -0.1, -0.2]), torch.tensor(0.2)).tolist()
    [1.0, 0.0, -1.0]
    """
    signs: torch.Tensor = _TernaryFrom.apply(latent, least)
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


def fake_quantize(
    values: torch.Tensor, span: Range, *, relu: bool = False, maximum: float | None = None
) -> torch.Tensor:
    """The numbers that the integers of ``span`` can stand for, half up as the requantizer rounds.

    ``relu`` and ``maximum`` tell of an activation function in front of the rounding.  The clamp
    of ``span`` performs it, so that only the gradient has to know: it is 0 where the function is
    flat.

    Examples
    --------
    >>> fake_quantize(torch.tensor([0.6, -1.1, 99.0]), Range(0.5, 0, 10)).tolist()
    [0.5, 0.0, 5.0]
    """
    lowest = 0.0 if relu else (span.low - 0.5) * span.scale
    highest = (span.high + 0.5) * span.scale
    if maximum is not None:
        highest = min(highest, maximum)
    quantized: torch.Tensor = _FakeQuantize.apply(values, span, lowest, highest)
    return quantized


def two_sided(
    latent: torch.Tensor,
    thresholds: torch.Tensor,
    positive: torch.Tensor,
    negative: torch.Tensor,
) -> torch.Tensor:
    """``positive`` above the thresholds, minus ``negative`` below their negatives, 0 between.

    Examples
    --------
    >>> p, n = torch.tensor(2.0), torch.tensor(3.0)
    >>> two_sided(torch.tensor([0.5, -0.1, -0.7]), torch.tensor(0.2), p, n).tolist()
    [2.0, 0.0, -3.0]
    """
    scaled: torch.Tensor = _TwoSided.apply(latent, thresholds, positive, negative)
    return scaled
