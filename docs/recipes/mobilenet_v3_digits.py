"""Two MobileNetV3 blocks on the bundled digits: squeeze-excite, hard swish, depthwise 5x5.

Train it in less than a minute, compress it, and prove the integers:

    python docs/recipes/mobilenet_v3_digits.py mobilenet_v3_digits.safetensors
    escalate compress docs/recipes/mobilenet_v3_digits.py:build --data digits \
        --checkpoint mobilenet_v3_digits.safetensors --basis 4 --density 0.3 --out compressed
    escalate verify compressed
    escalate simulate compressed --machine basis_first
"""

import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from escalate.app.demo_network import EPOCHS, train
from workloads.load import digits


class Gate(nn.Module):
    """Scale every channel by a function of the means of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 4, 1)
        self.excite = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        means = functional.adaptive_avg_pool2d(images, 1)
        return images * functional.hardsigmoid(self.excite(functional.relu(self.squeeze(means))))


def normed(channels: int, width: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Module:
    """A convolution and its batch norm."""
    padding = kernel // 2
    layer = nn.Conv2d(channels, width, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(width))


class Block(nn.Module):
    """Expand, convolve each channel on its own, gate the channels, project."""

    def __init__(self, channels: int, hidden: int, width: int, stride: int) -> None:
        super().__init__()
        self.adds = stride == 1 and channels == width
        self.block = nn.Sequential(
            *(normed(channels, hidden, 1), nn.Hardswish()),
            *(normed(hidden, hidden, 5, stride, hidden), nn.Hardswish()),
            *(Gate(hidden), normed(hidden, width, 1)),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) to (N, width, H / stride, W / stride)."""
        found = self.block(images)
        return found + images if self.adds else found


class Network(nn.Module):
    """(N, 1, 8, 8) to (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(normed(1, 32, 3), nn.Hardswish()),
            *(Block(32, 96, 48, 2), Block(48, 144, 48, 1)),
            *(normed(48, 128, 3), nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        )
        self.classifier = nn.Sequential(nn.Linear(128, 64), nn.Hardswish(), nn.Linear(64, 10))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits."""
        logits: torch.Tensor = self.classifier(self.features(images))
        return logits


def build() -> nn.Module:
    """The network, with weights that seed 0 draws."""
    torch.manual_seed(0)
    return Network()


def main(path: str) -> None:
    """Train on the digits, whose pixels are 0 to 16, and store the weights."""
    images, module = digits("train"), build()
    pixels = torch.tensor(images.pixels / 16, dtype=torch.float32)
    train(module, pixels, torch.tensor(images.labels), EPOCHS, seed=0)
    save_file(module.state_dict(), path)


if __name__ == "__main__":
    main(sys.argv[1])
