"""MobileNetV2 with batch norm folded in, TensorFlow's padding and its 1001 classes.

    escalate compress docs/recipes/mobilenet_v2.py:build --checkpoint mobilenet_v2.pt \
        --data photos-folder --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5 --held-out 32 \
        --config docs/recipes/mobilenet_v2_6x.toml

Tensors are named after torchvision's MobileNetV2, every convolution has a bias; class 0, the
background, is cut off.  Weights of this form come out of TensorFlow's published checkpoints.
"""

import torch
from torch import nn
from torch.nn import functional

# expansion, output channels, repetitions, stride of the first: the paper's table 2
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
FIRST, LAST, CLASSES = 32, 1280, 1001


class Convolution(nn.Conv2d):
    """A convolution that pads as TensorFlow's SAME does, more at the bottom and right."""

    def __init__(
        self, channels: int, width: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(channels, width, kernel, stride, groups=groups)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the layer's output."""
        edges = []
        for axis in (3, 2):
            size, kernel, stride = images.shape[axis], self.kernel_size[axis - 2], self.stride[0]
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            edges += [total // 2, total - total // 2]
        return super().forward(functional.pad(images, edges) if any(edges) else images)


def activated(*arguments: int) -> nn.Sequential:
    """A convolution and ReLU6."""
    return nn.Sequential(Convolution(*arguments), nn.ReLU6())


class Bottleneck(nn.Module):
    """Expand, convolve each channel on its own, project."""

    def __init__(self, channels: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        parts: list[nn.Module] = [activated(channels, hidden, 1)] if expansion > 1 else []
        parts += [activated(hidden, hidden, 3, stride, hidden), Convolution(hidden, width, 1)]
        self.conv = nn.Sequential(*parts)
        self.joined = stride == 1 and channels == width

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the layer's output."""
        found = self.conv(images)
        return found + images if self.joined else found


class MobileNetV2(nn.Module):
    """(N, 3, 224, 224) to (N, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [activated(3, FIRST, 3, 2)]
        channels = FIRST
        for expansion, width, repetitions, stride in STAGES:
            for repetition in range(repetitions):
                parts.append(
                    Bottleneck(channels, width, stride if repetition == 0 else 1, expansion)
                )
                channels = width
        parts.append(activated(channels, LAST, 1))
        self.features = nn.Sequential(*parts)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(LAST, CLASSES))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the layer's output."""
        return self.classifier(self.features(images).mean((2, 3)))[:, 1:]


def build() -> nn.Module:
    """The network with random weights."""
    return MobileNetV2()
