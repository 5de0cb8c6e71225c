"""YOLOv8n: github.com/ultralytics/ultralytics, cfg/models/v8/yolov8.yaml, scale n.

Backbone, neck and the detection heads' convolutions, without the decoding of boxes.
"""

import torch
from torch import nn

from tests.architectures.blocks import conv_norm, scaled

SIZE = 640
CLASSES, BINS = 80, 16
# Ultralytics, summary of yolov8n.yaml: 3157200 parameters, 3157184 gradients; the others are the
# constants that decode boxes.  yolov8.yaml: 8.7 GFLOPS, two for each multiply-accumulate
PARAMETERS, MACS = 3_157_184, 4_350_000_000


def conv(c, k, kernel=1, stride=1):
    """A convolution with its norm and SiLU."""
    return conv_norm(c, k, kernel, stride, act=nn.SiLU, eps=1e-3)


class Bottleneck(nn.Module):
    """Two 3x3 convolutions and perhaps a shortcut."""

    def __init__(self, c, adds):
        super().__init__()
        self.adds, self.cv1, self.cv2 = adds, conv(c, c, 3), conv(c, c, 3)

    def forward(self, x):
        return x + self.cv2(self.cv1(x)) if self.adds else self.cv2(self.cv1(x))


class C2f(nn.Module):
    """Half of the channels through bottlenecks, everything on the way side by side."""

    def __init__(self, c, k, repeats, adds=False):
        super().__init__()
        self.cv1, self.cv2 = conv(c, k), conv((2 + repeats) * (k // 2), k)
        self.m = nn.ModuleList(Bottleneck(k // 2, adds) for _ in range(repeats))

    def forward(self, x):
        y = list(self.cv1(x).chunk(2, 1))
        y.extend(m(y[-1]) for m in self.m)
        return self.cv2(torch.cat(y, 1))


class SPPF(nn.Module):
    """Maximum pools one behind the other, side by side."""

    def __init__(self, c):
        super().__init__()
        self.cv1, self.cv2 = conv(c, c // 2), conv(2 * c, c)
        self.m = nn.MaxPool2d(kernel_size=5, stride=1, padding=2)

    def forward(self, x):
        y = [self.cv1(x)]
        y.extend(self.m(y[-1]) for _ in range(3))
        return self.cv2(torch.cat(y, 1))


class Detect(nn.Module):
    """Of each scale the bins of a box's four sides and the classes, all pixels in one row."""

    def __init__(self, channels, width):
        super().__init__()
        box, kind = scaled(64, width), scaled(80, width)
        self.cv2 = nn.ModuleList(
            nn.Sequential(conv(c, box, 3), conv(box, box, 3), nn.Conv2d(box, 4 * BINS, 1))
            for c in channels
        )
        self.cv3 = nn.ModuleList(
            nn.Sequential(conv(c, kind, 3), conv(kind, kind, 3), nn.Conv2d(kind, CLASSES, 1))
            for c in channels
        )

    def forward(self, x):
        found = [torch.cat((self.cv2[i](x[i]), self.cv3[i](x[i])), 1) for i in range(len(x))]
        return torch.cat([each.view(each.shape[0], CLASSES + 4 * BINS, -1) for each in found], 2)


class YOLOv8(nn.Module):
    """Backbone down to 1/32, up and down again, three scales of detections."""

    def __init__(self, width):
        super().__init__()
        c1, c2, c3, c4, c5 = (scaled(each, width) for each in (16, 32, 64, 128, 256))
        self.stem = nn.Sequential(
            conv(3, c1, 3, 2), conv(c1, c2, 3, 2), C2f(c2, c2, 1, True),
            conv(c2, c3, 3, 2), C2f(c3, c3, 2, True),
        )  # fmt: skip
        self.middle = nn.Sequential(conv(c3, c4, 3, 2), C2f(c4, c4, 2, True))
        self.deep = nn.Sequential(conv(c4, c5, 3, 2), C2f(c5, c5, 1, True), SPPF(c5))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.up4, self.up3 = C2f(c5 + c4, c4, 1), C2f(c4 + c3, c3, 1)
        self.down4, self.out4 = conv(c3, c3, 3, 2), C2f(c3 + c4, c4, 1)
        self.down5, self.out5 = conv(c4, c4, 3, 2), C2f(c4 + c5, c5, 1)
        self.detect = Detect((c3, c4, c5), width)

    def forward(self, x):
        p3 = self.stem(x)
        p4 = self.middle(p3)
        p5 = self.deep(p4)
        n4 = self.up4(torch.cat([self.up(p5), p4], 1))
        n3 = self.up3(torch.cat([self.up(n4), p3], 1))
        m4 = self.out4(torch.cat([self.down4(n3), n4], 1))
        m5 = self.out5(torch.cat([self.down5(m4), p5], 1))
        return self.detect([n3, m4, m5])


def build(width=1.0):
    """The network, channels times ``width``."""
    return YOLOv8(width)
