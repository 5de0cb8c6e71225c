"""Parts that several architectures are made of, as people write them."""

from collections.abc import Callable

import torch
from torch import nn


def scaled(channels: int, width: float, divisor: int = 8) -> int:
    """So many channels at a width: the nearest multiple of ``divisor`` not below nine tenths."""
    near = max(divisor, int(channels * width + divisor / 2) // divisor * divisor)
    return near if near >= 0.9 * channels * width else near + divisor


def conv_norm(
    c: int,
    k: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    act: Callable[[], nn.Module] | None = nn.ReLU,
    eps: float = 1e-5,
) -> nn.Sequential:
    """A convolution that keeps the plane or halves it, its batch norm, its activation."""
    parts = [
        nn.Conv2d(c, k, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(k, eps=eps),
    ]
    return nn.Sequential(*parts, *([act()] if act else []))


class SqueezeExcite(nn.Module):
    """Channels scaled by a function of all channels' means (Hu et al., CVPR 2018)."""

    def __init__(
        self,
        channels: int,
        squeezed: int,
        act: Callable[[], nn.Module] = nn.ReLU,
        gate: Callable[[], nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.act = act()
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.gate = gate()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale the channels of (N, C, H, W)."""
        return x * self.gate(self.fc2(self.act(self.fc1(self.pool(x)))))
