"""EfficientNet-B0: Tan and Le, ICML 2019, table 1."""

from torch import nn

from tests.architectures.blocks import SqueezeExcite, conv_norm, scaled

# expansion, kernel, stride, output channels, repeats
ROWS = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
# torchvision, EfficientNet_B0_Weights: num_params, and 0.386 GFLOPS
PARAMETERS, MACS = 5_288_548, 386_000_000


class Block(nn.Module):
    """MBConv: an inverted bottleneck whose squeeze has a quarter of its input's channels."""

    def __init__(self, c, k, expansion, kernel, stride):
        super().__init__()
        self.adds, wide = stride == 1 and c == k, c * expansion
        self.expand = conv_norm(c, wide, act=nn.SiLU) if expansion > 1 else nn.Identity()
        self.depthwise = conv_norm(wide, wide, kernel, stride, wide, nn.SiLU)
        self.gate = SqueezeExcite(wide, max(1, c // 4), nn.SiLU)
        self.project = conv_norm(wide, k, act=None)

    def forward(self, x):
        y = self.project(self.gate(self.depthwise(self.expand(x))))
        return y + x if self.adds else y


def build(width=1.0):
    """The network, channels times ``width``."""
    c = scaled(32, width)
    layers = [conv_norm(3, c, 3, 2, act=nn.SiLU)]
    for expansion, kernel, stride, out, repeats in ROWS:
        k = scaled(out, width)
        for repeat in range(repeats):
            layers.append(Block(c, k, expansion, kernel, 1 if repeat else stride))
            c = k
    head = scaled(1280, width)
    layers.append(conv_norm(c, head, act=nn.SiLU))
    end = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(head, 1000))
    return nn.Sequential(*layers, *end)
