"""DenseNet-121 for ImageNet: Huang et al., CVPR 2017, table 1, growth rate 32.

Norms stand in front of the convolutions; those of the 3x3 are counted with the 1x1 before them.
"""

from workloads.network import Network, NetworkLayer, Published
from workloads.sketch import Plane, Sketch

GROWTH, BOTTLENECK = 32, 4 * 32
BLOCKS = (6, 12, 24, 16)


def _layers() -> tuple[NetworkLayer, ...]:
    sketch, bare = Sketch(), Sketch(batch_norm=False)
    bare.layers = sketch.layers
    plane = sketch.conv("conv0", Plane((), 3, 224, 224), 2 * GROWTH, 7, stride=2).sized(56)
    for block, layers in enumerate(BLOCKS, start=1):
        for layer in range(1, layers + 1):
            name = f"block{block}.layer{layer}"
            inner = sketch.conv(f"{name}.conv1", plane, BOTTLENECK, extra=2 * plane.channels)
            plane = plane.beside(bare.conv(f"{name}.conv2", inner, GROWTH, 3))
        if block < len(BLOCKS):
            halved = plane.channels // 2
            plane = bare.conv(f"transition{block}", plane, halved, extra=2 * plane.channels)
            plane = plane.sized(plane.height // 2)
    sketch.biased("classifier", plane.sized(1), 1000, extra=2 * plane.channels)
    return tuple(sketch.layers)


NETWORK = Network(
    "densenet121",
    "DenseNet-121, growth rate 32, ImageNet 224x224",
    "Huang et al., CVPR 2017, table 1; as in torchvision",
    (3, 224, 224),
    _layers(),
    published_parameters=Published(7_978_856, "torchvision, DenseNet121_Weights, num_params"),
    published_macs=Published(
        2_834_000_000, "torchvision, DenseNet121_Weights, 2.834 GFLOPS", within=500_000
    ),
)
