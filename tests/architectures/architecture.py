"""Architecture: a module that people have, at its published size and small, and its file forms."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import torch
from torch import nn

from workloads.network import network

NAMES = (
    "convnext_t",
    "densenet121",
    "efficientnet_b0",
    "inception_v3",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnext50_32x4d",
    "shufflenet_v2_x1_0",
    "unet",
    "vgg19",
    "yolov8n",
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """One file of this folder: ``build``, what others published, and how small it can be."""

    name: str
    file: ModuleType

    @property
    def parameters(self) -> int:
        """As published, exactly."""
        return self.file.PARAMETERS

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image, as published, rounded; those of the table for none."""
        return getattr(self.file, "MACS", network(self.name).macs)

    def images(self, count: int, *, small: bool) -> torch.Tensor:
        """Random images, (N, C, H, W)."""
        side = getattr(self.file, "SMALL", 64) if small else getattr(self.file, "SIZE", 224)
        return torch.randn(count, getattr(self.file, "CHANNELS", 3), side, side)

    def module(self, width: float = 1.0) -> nn.Module:
        """The module with seeded weights and statistics, in evaluation mode."""
        torch.manual_seed(7)
        module = self.file.build(width)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.uniform_(-0.5, 0.5)
                part.running_var.uniform_(0.5, 2)
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.uniform_(part.bias, -0.5, 0.5)
        return module.eval()

    @property
    def small_width(self) -> float:
        """Of a module for small images that still has the published kernels where it can."""
        return getattr(self.file, "WIDTH", 1.0)


def architecture(name: str) -> Architecture:
    """The architecture of that name."""
    return Architecture(name, import_module(f"tests.architectures.{name}"))
