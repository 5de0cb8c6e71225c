"""MobileNet v3: Howard et al., ICCV 2019, sections 5.2 and 5.3."""

import torch
from torch import nn

from tests.architectures.blocks import SqueezeExcite, conv_norm, scaled

EPS = 1e-3


class Block(nn.Module):
    """Expand by 1x1, convolve depthwise, gate the channels, project by 1x1."""

    def __init__(self, c, kernel, wide, k, gated, act, stride):
        super().__init__()
        self.adds = stride == 1 and c == k
        self.expand = conv_norm(c, wide, act=act, eps=EPS) if wide != c else nn.Identity()
        self.depthwise = conv_norm(wide, wide, kernel, stride, wide, act, EPS)
        squeezed = scaled(wide // 4, 1.0)
        self.gate = SqueezeExcite(wide, squeezed, gate=nn.Hardsigmoid) if gated else nn.Identity()
        self.project = conv_norm(wide, k, act=None, eps=EPS)

    def forward(self, x):
        y = self.project(self.gate(self.depthwise(self.expand(x))))
        return x + y if self.adds else y


class MobileNetV3(nn.Module):
    """Rows of the paper's tables 1 and 2: kernel, expansion, output, gated, activation, stride."""

    def __init__(self, rows, hidden, width=1.0, classes=1000):
        super().__init__()
        c = scaled(16, width)
        self.stem = conv_norm(3, c, 3, 2, act=nn.Hardswish, eps=EPS)
        self.blocks = nn.Sequential()
        for kernel, wide, out, gated, act, stride in rows:
            k, wide = scaled(out, width), scaled(wide, width)
            self.blocks.append(Block(c, kernel, wide, k, gated, act, stride))
            c = k
        self.last = conv_norm(c, 6 * c, act=nn.Hardswish, eps=EPS)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * c, hidden), nn.Hardswish(inplace=True), nn.Dropout(0.2),
            nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, x):
        x = self.pool(self.last(self.blocks(self.stem(x))))
        return self.classifier(torch.flatten(x, 1))
