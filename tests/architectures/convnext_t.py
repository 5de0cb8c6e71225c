"""ConvNeXt-T: Liu et al., CVPR 2022, section 3 and table 9."""

import torch
from torch import nn
from torch.nn import functional

from tests.architectures.blocks import scaled

STAGES = ((96, 3), (192, 3), (384, 9), (768, 3))
# torchvision, ConvNeXt_Tiny_Weights: num_params, and 4.456 GFLOPS
PARAMETERS, MACS = 28_589_128, 4_456_000_000


class LayerNorm2d(nn.LayerNorm):
    """Over the channels of (N, C, H, W)."""

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        x = functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class Block(nn.Module):
    """Depthwise 7x7, then layer norm and two linear layers with the channels last."""

    def __init__(self, dim):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1, self.act = nn.Linear(dim, 4 * dim), nn.GELU()
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(1e-6 * torch.ones(dim))

    def forward(self, x):
        shortcut = x
        x = self.dwconv(x).permute(0, 2, 3, 1)
        x = self.pwconv2(self.act(self.pwconv1(self.norm(x))))
        x = (self.gamma * x).permute(0, 3, 1, 2)
        return shortcut + x


class ConvNeXt(nn.Module):
    """Patches of 4x4, four stages with halvings between them, classifier."""

    def __init__(self, width):
        super().__init__()
        self.features, c = nn.Sequential(), scaled(STAGES[0][0], width)
        self.features.append(nn.Sequential(nn.Conv2d(3, c, 4, 4), LayerNorm2d(c, eps=1e-6)))
        for place, (dim, depth) in enumerate(STAGES):
            k = scaled(dim, width)
            if place:
                halved = (LayerNorm2d(c, eps=1e-6), nn.Conv2d(c, k, 2, 2))
                self.features.append(nn.Sequential(*halved))
            self.features.append(nn.Sequential(*(Block(k) for _ in range(depth))))
            c = k
        self.norm, self.head = nn.LayerNorm(c, eps=1e-6), nn.Linear(c, 1000)

    def forward(self, x):
        return self.head(self.norm(self.features(x).mean([-2, -1])))


def build(width=1.0):
    """The network, channels times ``width``."""
    return ConvNeXt(width)
