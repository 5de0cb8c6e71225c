"""U-Net: Ronneberger et al., MICCAI 2015, figure 1; valid convolutions, one channel in, two out."""

import torch
from torch import nn

SIZE, SMALL, CHANNELS = 572, 188, 1
WIDTH = 1 / 16  # of the small one
PARAMETERS = 31_030_658  # gchlebus.github.io, on the memory that U-Net takes: parameter_count


def double(c, k):
    """Two unpadded 3x3 convolutions with ReLUs."""
    return nn.Sequential(
        nn.Conv2d(c, k, 3), nn.ReLU(inplace=True), nn.Conv2d(k, k, 3), nn.ReLU(inplace=True)
    )


def crop(x, like):
    """The middle of ``x``, as large as ``like``."""
    top, left = (x.shape[2] - like.shape[2]) // 2, (x.shape[3] - like.shape[3]) // 2
    return x[:, :, top : top + like.shape[2], left : left + like.shape[3]]


class UNet(nn.Module):
    """Four halvings, four doublings by transposed convolutions, crops side by side."""

    def __init__(self, width):
        super().__init__()
        sizes = [round(each * width) for each in (64, 128, 256, 512, 1024)]
        self.downs = nn.ModuleList(
            double(c, k) for c, k in zip([CHANNELS, *sizes], sizes, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        pairs = list(zip(sizes[:0:-1], sizes[-2::-1], strict=True))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(c, k, 2, 2) for c, k in pairs)
        self.convs = nn.ModuleList(double(c, k) for c, k in pairs)
        self.last = nn.Conv2d(sizes[0], 2, 1)

    def forward(self, x):
        kept = []
        for place, down in enumerate(self.downs):
            x = down(x if place == 0 else self.pool(x))
            kept.append(x)
        for up, conv, skip in zip(self.ups, self.convs, kept[-2::-1], strict=True):
            x = up(x)
            x = conv(torch.cat([crop(skip, x), x], dim=1))
        return self.last(x)


def build(width=1.0):
    """The network, channels times ``width``."""
    return UNet(width)
