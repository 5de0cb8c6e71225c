"""ResNet-20 for CIFAR-10 with option-A shortcuts, as github.com/akamaster/pytorch_resnet_cifar10
names its tensors, so that checkpoints of that repository fit.

    escalate compress docs/recipes/resnet20_cifar10.py:build --checkpoint resnet20.pt \
        --data cifar10:cifar-10-batches-py --config docs/recipes/resnet20_25x.toml
"""

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (16, 32, 64)
DEPTH = 3  # blocks of each width


class Block(nn.Module):
    """Two convolutions and a shortcut, which where strided takes every second pixel."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.wider = stride, (width - channels) // 2

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the layer's output."""
        hidden = functional.relu(self.bn1(self.conv1(images)))
        shortcut = images
        if self.stride > 1:
            shortcut = images[:, :, :: self.stride, :: self.stride]
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, self.wider, self.wider))
        return functional.relu(self.bn2(self.conv2(hidden)) + shortcut)


class ResNet20(nn.Module):
    """(N, 3, 32, 32) to (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        channels, stages = WIDTHS[0], []
        for width in WIDTHS:
            strides = [1 if width == channels else 2] + [1] * (DEPTH - 1)
            blocks = []
            for stride in strides:
                blocks.append(Block(channels, width, stride))
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3 = stages
        self.linear = nn.Linear(channels, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the layer's output."""
        hidden = functional.relu(self.bn1(self.conv1(images)))
        hidden = self.layer3(self.layer2(self.layer1(hidden)))
        return self.linear(hidden.mean((2, 3)))


def build() -> nn.Module:
    """The network with random weights."""
    return ResNet20()
