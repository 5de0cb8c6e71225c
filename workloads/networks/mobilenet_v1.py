"""MobileNet (version 1, width 1.0) for ImageNet: Howard et al., 2017, table 1."""

from fractions import Fraction

from workloads.network import Network, NetworkLayer, Published, linear, square

BLOCKS = (
    # C, K, size, stride of the depthwise convolution
    (32, 64, 112, 1),
    (64, 128, 112, 2),
    (128, 128, 56, 1),
    (128, 256, 56, 2),
    (256, 256, 28, 1),
    (256, 512, 28, 2),
    (512, 512, 14, 1),
    (512, 512, 14, 1),
    (512, 512, 14, 1),
    (512, 512, 14, 1),
    (512, 512, 14, 1),
    (512, 1024, 14, 2),
    (1024, 1024, 7, 1),  # stride 2 in the paper's table, on 7x7 in and out: a misprint
)


def layers(width: Fraction = Fraction(1), size: int = 224) -> tuple[NetworkLayer, ...]:
    """The layers at a width multiplier and an image size, both as the paper has them.

    Examples
    --------
    >>> [entry.layer.K for entry in layers(Fraction(1, 2), 128)][:3], layers(size=128)[1].layer.H
    ([16, 16, 32], 64)
    """

    def scaled(channels: int) -> int:
        return int(channels * width)

    found = [NetworkLayer(square("conv1", 3, scaled(32), size, 3, stride=2), batch_norm=True)]
    for number, (C, K, plane, stride) in enumerate(BLOCKS, start=1):
        side = plane * size // 224
        depthwise = square(
            f"block{number}.depthwise",
            scaled(C),
            scaled(C),
            side,
            3,
            stride=stride,
            groups=scaled(C),
        )
        pointwise = square(f"block{number}.pointwise", scaled(C), scaled(K), depthwise.P)
        for layer in (depthwise, pointwise):
            found.append(NetworkLayer(layer, (found[-1].name,), batch_norm=True))
    return (*found, NetworkLayer(linear("fc", scaled(1024), 1000), (found[-1].name,), bias=True))


NETWORK = Network(
    "mobilenet_v1",
    "MobileNet v1, width 1.0, ImageNet 224x224",
    "Howard et al., arXiv 1704.04861, table 1",
    (3, 224, 224),
    layers(),
    published_parameters=Published(
        4_231_976, "github.com/osmr/imgclsmob, mobilenet_w1; the paper prints 4.2 M"
    ),
    published_macs=Published(
        569_000_000, "Howard et al., arXiv 1704.04861, table 4: 569 M", within=500_000
    ),
)
