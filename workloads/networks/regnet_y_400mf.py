"""RegNetY-400MF for ImageNet: Radosavovic et al., CVPR 2020, figure 17, groups of 8 channels.

The shortcut's 1x1 convolution runs first; the gate's squeeze has a quarter of a block's input.
"""

from workloads.network import Network, NetworkLayer, Published
from workloads.sketch import Plane, Sketch

STAGES = ((48, 1), (104, 3), (208, 6), (440, 6))  # width, blocks
GROUP = 8


def _layers() -> tuple[NetworkLayer, ...]:
    sketch = Sketch()
    plane = sketch.conv("stem", Plane((), 3, 224, 224), 32, 3, stride=2)
    for number, (width, blocks) in enumerate(STAGES, start=1):
        for block in range(blocks):
            plane = _block(sketch, f"stage{number}.{block}", plane, width, 1 if block else 2)
    sketch.biased("fc", plane.sized(1), 1000)
    return tuple(sketch.layers)


def _block(sketch: Sketch, name: str, plane: Plane, width: int, stride: int) -> Plane:
    shortcut = plane
    if stride > 1 or plane.channels != width:
        shortcut = sketch.conv(f"{name}.proj", plane, width, stride=stride)
    inner = sketch.conv(f"{name}.a", plane, width)
    inner = sketch.conv(f"{name}.b", inner, width, 3, stride=stride, groups=width // GROUP)
    inner = sketch.gate(f"{name}.gate", inner, round(plane.channels / 4))
    return sketch.conv(f"{name}.c", inner, width, shortcut=shortcut)


NETWORK = Network(
    "regnet_y_400mf",
    "RegNetY-400MF, ImageNet 224x224",
    "Radosavovic et al., CVPR 2020, figure 17; as in torchvision",
    (3, 224, 224),
    _layers(),
    published_parameters=Published(4_344_144, "torchvision, RegNet_Y_400MF_Weights, num_params"),
    published_macs=Published(
        402_000_000, "torchvision, RegNet_Y_400MF_Weights, 0.402 GFLOPS", within=500_000
    ),
)
