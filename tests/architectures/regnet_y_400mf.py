"""RegNetY-400MF: Radosavovic et al., CVPR 2020, figure 17; groups of 8 channels."""

from torch import nn

from tests.architectures.blocks import SqueezeExcite, conv_norm, scaled

STAGES = ((48, 1), (104, 3), (208, 6), (440, 6))
# torchvision, RegNet_Y_400MF_Weights: num_params, and 0.402 GFLOPS
PARAMETERS, MACS = 4_344_144, 402_000_000


class Block(nn.Module):
    """1x1, grouped 3x3, gate of a quarter of the input's channels, 1x1, and the shortcut."""

    def __init__(self, c, k, stride):
        super().__init__()
        changes = stride != 1 or c != k
        self.proj = conv_norm(c, k, 1, stride, act=None) if changes else nn.Identity()
        self.a, self.b = conv_norm(c, k), conv_norm(k, k, 3, stride, k // 8)
        self.gate = SqueezeExcite(k, round(0.25 * c))
        self.c, self.act = conv_norm(k, k, act=None), nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.proj(x) + self.c(self.gate(self.b(self.a(x)))))


def build(width=1.0):
    """The network, channels times ``width``."""
    c = scaled(32, width)
    layers = [conv_norm(3, c, 3, 2)]
    for out, repeats in STAGES:
        k = scaled(out, width)
        for repeat in range(repeats):
            layers.append(Block(c, k, 1 if repeat else 2))
            c = k
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 1000))
