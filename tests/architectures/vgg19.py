"""VGG-19: configuration E of Simonyan and Zisserman, ICLR 2015, table 1."""

from torch import nn

from tests.architectures.blocks import scaled

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
# torchvision, VGG19_Weights: num_params, and 19.632 GFLOPS
PARAMETERS, MACS = 143_667_240, 19_632_000_000
WIDTH = 0.25  # of the small one


def build(width=1.0):
    """The network, channels times ``width``; narrow ones take images of 64x64."""
    c, layers = 3, []
    for channels, repeats in BLOCKS:
        k = scaled(channels, width)
        for _ in range(repeats):
            layers += [nn.Conv2d(c, k, 3, padding=1), nn.ReLU(inplace=True)]
            c = k
        layers.append(nn.MaxPool2d(2, 2))
    hidden, side = scaled(4096, width), 7 if width == 1 else 2
    return nn.Sequential(
        *layers, nn.Flatten(),
        nn.Linear(c * side * side, hidden), nn.ReLU(inplace=True), nn.Dropout(),
        nn.Linear(hidden, hidden), nn.ReLU(inplace=True), nn.Dropout(),
        nn.Linear(hidden, 1000),
    )  # fmt: skip
