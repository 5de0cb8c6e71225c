"""ShuffleNet v2, 1.0x: Ma et al., ECCV 2018, table 5."""

import torch
from torch import nn

from tests.architectures.blocks import conv_norm, scaled

STAGES = ((116, 4), (232, 8), (464, 4))
# torchvision, ShuffleNet_V2_X1_0_Weights: num_params, and 0.145 GFLOPS
PARAMETERS, MACS = 2_278_604, 145_000_000


def shuffle(x, groups):
    """Channels of each group side by side."""
    n, c, h, w = x.size()
    x = x.view(n, groups, c // groups, h, w)
    x = torch.transpose(x, 1, 2).contiguous()
    return x.view(n, c, h, w)


def branch(c, k, stride):
    """1x1, depthwise 3x3, 1x1."""
    return nn.Sequential(conv_norm(c, k), conv_norm(k, k, 3, stride, k, act=None), conv_norm(k, k))


class Unit(nn.Module):
    """Half of the channels passes by; of stride 2, both halves see all of them."""

    def __init__(self, c, k, stride):
        super().__init__()
        self.stride = stride
        if stride == 2:
            self.short = nn.Sequential(conv_norm(c, c, 3, 2, c, act=None), conv_norm(c, k // 2))
        self.main = branch(c if stride == 2 else c // 2, k // 2, stride)

    def forward(self, x):
        if self.stride == 1:
            first, second = x.chunk(2, dim=1)
            out = torch.cat((first, self.main(second)), dim=1)
        else:
            out = torch.cat((self.short(x), self.main(x)), dim=1)
        return shuffle(out, 2)


class ShuffleNetV2(nn.Module):
    """Stem, three stages, a last convolution and the classifier."""

    def __init__(self, width):
        super().__init__()
        c = scaled(24, width)
        self.stem = conv_norm(3, c, 3, 2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.stages = nn.Sequential()
        for out, repeats in STAGES:
            k = scaled(out, width, 4)
            for repeat in range(repeats):
                self.stages.append(Unit(c, k, 1 if repeat else 2))
                c = k
        self.last = conv_norm(c, scaled(1024, width))
        self.fc = nn.Linear(scaled(1024, width), 1000)

    def forward(self, x):
        x = self.last(self.stages(self.pool(self.stem(x))))
        return self.fc(x.mean([2, 3]))


def build(width=1.0):
    """The network, channels times ``width``."""
    return ShuffleNetV2(width)
