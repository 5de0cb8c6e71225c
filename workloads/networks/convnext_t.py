"""ConvNeXt-T for ImageNet: Liu et al., CVPR 2022, section 3 and table 9.

The linear layers that act on channels are 1x1 convolutions; a block scales what it adds by one
number per channel.
"""

from workloads.network import Network, NetworkLayer, Published
from workloads.sketch import Plane, Sketch

STAGES = ((96, 3), (192, 3), (384, 9), (768, 3))  # channels, blocks


def _layers() -> tuple[NetworkLayer, ...]:
    sketch = Sketch(bias=True, batch_norm=False)
    image = Plane((), 3, 224, 224)
    plane = sketch.conv("stem", image, 96, 4, stride=4, padding=(0, 0), extra=2 * 96)
    for number, (channels, blocks) in enumerate(STAGES, start=1):
        if number > 1:
            norm = 2 * plane.channels
            name = f"downsample{number}"
            plane = sketch.conv(name, plane, channels, 2, stride=2, padding=(0, 0), extra=norm)
        for block in range(blocks):
            plane = _block(sketch, f"stage{number}.{block}", plane)
    sketch.conv("head", plane.sized(1), 1000, extra=2 * plane.channels)
    return tuple(sketch.layers)


def _block(sketch: Sketch, name: str, plane: Plane) -> Plane:
    dim = plane.channels
    inner = sketch.conv(f"{name}.dwconv", plane, dim, 7, groups=dim, extra=2 * dim)
    inner = sketch.conv(f"{name}.pwconv1", inner, 4 * dim)
    return sketch.conv(f"{name}.pwconv2", inner, dim, shortcut=plane, extra=dim)


NETWORK = Network(
    "convnext_t",
    "ConvNeXt-T, ImageNet 224x224",
    "Liu et al., CVPR 2022, section 3; as in torchvision",
    (3, 224, 224),
    _layers(),
    published_parameters=Published(28_589_128, "torchvision, ConvNeXt_Tiny_Weights, num_params"),
    published_macs=Published(
        4_456_000_000, "torchvision, ConvNeXt_Tiny_Weights, 4.456 GFLOPS", within=500_000
    ),
)
