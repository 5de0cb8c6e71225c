"""ResNeXt-50 (32x4d) for ImageNet: Xie et al., CVPR 2017, table 1.

Bottlenecks twice as wide as ResNet-50's, of 32 groups; the stride is in the 3x3 convolution.
"""

from workloads.network import Network, NetworkLayer, Published
from workloads.sketch import Plane, Sketch

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # channels, blocks, stride
GROUPS = 32


def _layers() -> tuple[NetworkLayer, ...]:
    sketch = Sketch()
    plane = sketch.conv("conv1", Plane((), 3, 224, 224), 64, 7, stride=2).sized(56)
    for number, (channels, blocks, stride) in enumerate(STAGES, start=1):
        for block in range(blocks):
            name = f"layer{number}.{block}"
            plane = _block(sketch, name, plane, channels, 1 if block else stride)
    sketch.biased("fc", plane.sized(1), 1000)
    return tuple(sketch.layers)


def _block(sketch: Sketch, name: str, plane: Plane, channels: int, stride: int) -> Plane:
    wide, out = 2 * channels, 4 * channels
    changes = stride > 1 or plane.channels != out
    inner = sketch.conv(f"{name}.conv1", plane, wide)
    inner = sketch.conv(f"{name}.conv2", inner, wide, 3, stride=stride, groups=GROUPS)
    made = sketch.conv(f"{name}.conv3", inner, out, shortcut=None if changes else plane)
    if changes:
        sketch.conv(f"{name}.downsample.0", plane, out, stride=stride, shortcut=made)
    return made


NETWORK = Network(
    "resnext50_32x4d",
    "ResNeXt-50 32x4d, ImageNet 224x224, stride in the 3x3 convolutions",
    "Xie et al., CVPR 2017, table 1; as in torchvision",
    (3, 224, 224),
    _layers(),
    published_parameters=Published(25_028_904, "torchvision, ResNeXt50_32X4D_Weights, num_params"),
    published_macs=Published(
        4_230_000_000, "torchvision, ResNeXt50_32X4D_Weights, 4.23 GFLOPS", within=5_000_000
    ),
)
