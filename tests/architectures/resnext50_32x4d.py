"""ResNeXt-50 (32x4d): Xie et al., CVPR 2017, table 1."""

import torch
from torch import nn

from tests.architectures.blocks import scaled

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
# torchvision, ResNeXt50_32X4D_Weights: num_params, and 4.23 GFLOPS
PARAMETERS, MACS = 25_028_904, 4_230_000_000


class Bottleneck(nn.Module):
    """1x1, 3x3 of 32 groups, 1x1, and the shortcut."""

    def __init__(self, c, channels, stride, groups):
        super().__init__()
        k, wide = 4 * channels, 2 * channels
        self.conv1, self.bn1 = nn.Conv2d(c, wide, 1, bias=False), nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.conv3, self.bn3 = nn.Conv2d(wide, k, 1, bias=False), nn.BatchNorm2d(k)
        self.relu, self.downsample = nn.ReLU(inplace=True), None
        if stride != 1 or c != k:
            self.downsample = nn.Sequential(
                nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k)
            )

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNeXt(nn.Module):
    """Stem, four stages, classifier."""

    def __init__(self, width):
        super().__init__()
        c, groups = scaled(64, width), scaled(32, width, 4)
        self.conv1, self.bn1 = nn.Conv2d(3, c, 7, 2, 3, bias=False), nn.BatchNorm2d(c)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        self.layers = nn.Sequential()
        for channels, blocks, stride in STAGES:
            channels = scaled(channels, width)
            for block in range(blocks):
                self.layers.append(Bottleneck(c, channels, 1 if block else stride, groups))
                c = 4 * channels
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(c, 1000)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = torch.flatten(self.avgpool(self.layers(x)), 1)
        return self.fc(x)


def build(width=1.0):
    """The network, channels times ``width``."""
    return ResNeXt(width)
