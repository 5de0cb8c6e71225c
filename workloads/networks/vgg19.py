"""VGG-19 for ImageNet: configuration E of Simonyan and Zisserman, table 1.

A 2x2 maximum pooling stands behind each of the five blocks; all layers have biases.
"""

from workloads.layer import ConvLayer
from workloads.network import Network, Published, chain, linear, square

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # channels, layers


def _layers() -> list[ConvLayer]:
    layers, C, size = [], 3, 224
    for block, (K, count) in enumerate(BLOCKS, start=1):
        for number in range(1, count + 1):
            layers.append(square(f"conv{block}_{number}", C, K, size, 3))
            C = K
        size //= 2
    classifier = [
        linear("fc6", C * size * size, 4096), linear("fc7", 4096, 4096), linear("fc8", 4096, 1000),
    ]  # fmt: skip
    return [*layers, *classifier]


NETWORK = Network(
    "vgg19",
    "VGG-19, ImageNet 224x224",
    "Simonyan and Zisserman, ICLR 2015, table 1, configuration E",
    (3, 224, 224),
    chain(_layers(), bias=True),
    published_parameters=Published(143_667_240, "torchvision, VGG19_Weights, num_params"),
    published_macs=Published(
        19_632_000_000, "torchvision, VGG19_Weights, 19.632 GFLOPS", within=500_000
    ),
)
