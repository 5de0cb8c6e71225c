"""Inception v3: Szegedy et al., CVPR 2016, table 1 and figures 5 to 7; no auxiliary classifier."""

import torch
from torch import nn
from torch.nn import functional

from tests.architectures.blocks import scaled

SIZE, SMALL = 299, 96
# torchvision, Inception_V3_Weights: num_params 27,161,264, of which the auxiliary classifier has
# 3,326,696 (Keras, InceptionV3: 23,817,352 trainable, norms without their 17,216 scales); 5.713
# GFLOPS
PARAMETERS, MACS = 23_834_568, 5_713_000_000


class Conv(nn.Module):
    """A convolution, its batch norm, a ReLU."""

    def __init__(self, c, k, kernel, **options):
        super().__init__()
        self.conv = nn.Conv2d(c, k, kernel, bias=False, **options)
        self.bn = nn.BatchNorm2d(k, eps=0.001)

    def forward(self, x):
        return functional.relu(self.bn(self.conv(x)), inplace=True)


def row(c, *layers):
    """Convolutions one behind the other, (channels, kernel) and whether of stride 2, unpadded."""
    parts = []
    for k, kernel, *halves in layers:
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = tuple(side // 2 for side in kernel)
        options = {"stride": 2} if halves else {"padding": padding}
        parts.append(Conv(c, k, kernel, **options))
        c = k
    return nn.Sequential(*parts)


class Module(nn.Module):
    """Branches side by side, the last of them behind an average pool."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        *others, last = self.branches
        pooled = functional.avg_pool2d(x, kernel_size=3, stride=1, padding=1)
        return torch.cat([*(branch(x) for branch in others), last(pooled)], 1)


class Reduction(nn.Module):
    """Branches of stride 2 beside a maximum pool."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        pooled = functional.max_pool2d(x, kernel_size=3, stride=2)
        return torch.cat([*(branch(x) for branch in self.branches), pooled], 1)


class Fork(nn.Module):
    """Convolutions, then 1x3 and 3x1 side by side."""

    def __init__(self, c, layers, k):
        super().__init__()
        self.stem, last = row(c, *layers), layers[-1][0]
        self.wide, self.high = row(last, (k, (1, 3))), row(last, (k, (3, 1)))

    def forward(self, x):
        x = self.stem(x)
        return torch.cat([self.wide(x), self.high(x)], 1)


def build(width=1.0):
    """The network, channels times ``width``."""

    def at(channels):
        return scaled(channels, width)

    def five(c, pool):
        return Module(
            row(c, (at(64), 1)),
            row(c, (at(48), 1), (at(64), 5)),
            row(c, (at(64), 1), (at(96), 3), (at(96), 3)),
            row(c, (at(pool), 1)),
        )

    def seven(c, m):
        m, k, flat, tall = at(m), at(192), (1, 7), (7, 1)
        return Module(
            row(c, (k, 1)),
            row(c, (m, 1), (m, flat), (k, tall)),
            row(c, (m, 1), (m, tall), (m, flat), (m, tall), (k, flat)),
            row(c, (k, 1)),
        )

    def three(c):
        return Module(
            row(c, (at(320), 1)),
            Fork(c, [(at(384), 1)], at(384)),
            Fork(c, [(at(448), 1), (at(384), 3)], at(384)),
            row(c, (at(192), 1)),
        )

    five_out = at(64) + at(64) + at(96)
    c1, c2 = five_out + at(32), five_out + at(64)
    c3, c4 = c2 + at(384) + at(96), 4 * at(192)
    c5, c6 = c4 + at(320) + at(192), at(320) + 4 * at(384) + at(192)
    assert c3 == c4
    return nn.Sequential(
        Conv(3, at(32), 3, stride=2), Conv(at(32), at(32), 3), Conv(at(32), at(64), 3, padding=1),
        nn.MaxPool2d(3, 2), Conv(at(64), at(80), 1), Conv(at(80), at(192), 3), nn.MaxPool2d(3, 2),
        five(at(192), 32), five(c1, 64), five(c2, 64),
        Reduction(row(c2, (at(384), 3, "half")),
                  row(c2, (at(64), 1), (at(96), 3), (at(96), 3, "half"))),
        seven(c3, 128), seven(c4, 160), seven(c4, 160), seven(c4, 192),
        Reduction(row(c4, (at(192), 1), (at(320), 3, "half")),
                  row(c4, (at(192), 1), (at(192), (1, 7)), (at(192), (7, 1)),
                      (at(192), 3, "half"))),
        three(c5), three(c6),
        nn.AdaptiveAvgPool2d((1, 1)), nn.Dropout(), nn.Flatten(), nn.Linear(c6, 1000),
    )  # fmt: skip
