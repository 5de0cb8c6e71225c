"""DenseNet-121: Huang et al., CVPR 2017, table 1; growth rate 32, bottlenecks of four times it."""

import torch
from torch import nn
from torch.nn import functional

from tests.architectures.blocks import scaled

BLOCKS = (6, 12, 24, 16)
# torchvision, DenseNet121_Weights: num_params, and 2.834 GFLOPS
PARAMETERS, MACS = 7_978_856, 2_834_000_000


class DenseLayer(nn.Module):
    """Norm, ReLU, 1x1, norm, ReLU, 3x3, on all outputs so far side by side."""

    def __init__(self, c, growth):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(c), nn.Conv2d(c, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, features):
        x = torch.cat(features, 1)
        x = self.conv1(functional.relu(self.norm1(x), inplace=True))
        return self.conv2(functional.relu(self.norm2(x), inplace=True))


class DenseBlock(nn.Module):
    """Layers that each read all before them."""

    def __init__(self, c, layers, growth):
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(c + i * growth, growth) for i in range(layers))

    def forward(self, x):
        features = [x]
        for layer in self.layers:
            features.append(layer(features))
        return torch.cat(features, 1)


class DenseNet(nn.Module):
    """Stem, dense blocks with transitions between them, classifier."""

    def __init__(self, width):
        super().__init__()
        growth = scaled(32, width, 4)
        c = 2 * growth
        self.conv0 = nn.Conv2d(3, c, 7, 2, 3, bias=False)
        self.norm0, self.pool0 = nn.BatchNorm2d(c), nn.MaxPool2d(3, 2, 1)
        self.features = nn.Sequential()
        for place, layers in enumerate(BLOCKS):
            self.features.append(DenseBlock(c, layers, growth))
            c += layers * growth
            if place < len(BLOCKS) - 1:
                self.features.append(
                    nn.Sequential(
                        nn.BatchNorm2d(c),
                        nn.ReLU(inplace=True),
                        nn.Conv2d(c, c // 2, 1, bias=False),
                        nn.AvgPool2d(2, 2),
                    )
                )
                c //= 2
        self.norm5, self.classifier = nn.BatchNorm2d(c), nn.Linear(c, 1000)

    def forward(self, x):
        x = self.pool0(functional.relu(self.norm0(self.conv0(x)), inplace=True))
        x = functional.relu(self.norm5(self.features(x)), inplace=True)
        x = functional.adaptive_avg_pool2d(x, (1, 1))
        return self.classifier(torch.flatten(x, 1))


def build(width=1.0):
    """The network, channels times ``width``."""
    return DenseNet(width)
