"""EfficientNet-B0 for ImageNet: Tan and Le, ICML 2019, table 1.

Every block gates its channels; the squeeze has a quarter of the block's input channels.
"""

from typing import NamedTuple

from workloads.network import Network, NetworkLayer, Published
from workloads.sketch import Plane, Sketch


class Row(NamedTuple):
    """One row of the table: expansion, kernel, stride, output channels, repeats."""

    t: int
    kernel: int
    stride: int
    out: int
    repeats: int


ROWS = (
    Row(1, 3, 1, 16, 1),
    Row(6, 3, 2, 24, 2),
    Row(6, 5, 2, 40, 2),
    Row(6, 3, 2, 80, 3),
    Row(6, 5, 1, 112, 3),
    Row(6, 5, 2, 192, 4),
    Row(6, 3, 1, 320, 1),
)


def _layers() -> tuple[NetworkLayer, ...]:
    sketch, number = Sketch(), 0
    plane = sketch.conv("stem", Plane((), 3, 224, 224), 32, 3, stride=2)
    for row in ROWS:
        for repeat in range(row.repeats):
            stride = 1 if repeat else row.stride
            plane = _block(sketch, f"block{number}", plane, row, stride)
            number += 1
    sketch.biased("fc", sketch.conv("head", plane, 1280).sized(1), 1000)
    return tuple(sketch.layers)


def _block(sketch: Sketch, name: str, plane: Plane, row: Row, stride: int) -> Plane:
    channels = plane.channels * row.t
    wide = sketch.conv(f"{name}.expand", plane, channels) if row.t > 1 else plane
    wide = sketch.conv(
        f"{name}.depthwise", wide, channels, row.kernel, stride=stride, groups=channels
    )
    wide = sketch.gate(f"{name}.gate", wide, plane.channels // 4)
    adds = stride == 1 and plane.channels == row.out
    return sketch.conv(f"{name}.project", wide, row.out, shortcut=plane if adds else None)


NETWORK = Network(
    "efficientnet_b0",
    "EfficientNet-B0, ImageNet 224x224",
    "Tan and Le, ICML 2019, table 1; as in torchvision",
    (3, 224, 224),
    _layers(),
    published_parameters=Published(5_288_548, "torchvision, EfficientNet_B0_Weights, num_params"),
    published_macs=Published(
        386_000_000, "torchvision, EfficientNet_B0_Weights, 0.386 GFLOPS", within=500_000
    ),
)
