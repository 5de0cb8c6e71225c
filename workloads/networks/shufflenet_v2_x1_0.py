"""ShuffleNet v2, 1.0x, for ImageNet: Ma et al., ECCV 2018, table 5 and figure 3.

Channels are shuffled behind every unit, so what reads a unit has no producers.
"""

from workloads.network import Network, NetworkLayer, Published
from workloads.sketch import Plane, Sketch

STAGES = ((116, 4), (232, 8), (464, 4))  # output channels, units


def _layers() -> tuple[NetworkLayer, ...]:
    sketch = Sketch()
    plane = sketch.conv("stem", Plane((), 3, 224, 224), 24, 3, stride=2).sized(56)
    for number, (channels, units) in enumerate(STAGES, start=2):
        for unit in range(units):
            plane = _unit(sketch, f"stage{number}.{unit}", plane, channels, halves=unit == 0)
    sketch.biased("fc", sketch.conv("conv5", plane, 1024).sized(1), 1000)
    return tuple(sketch.layers)


def _unit(sketch: Sketch, name: str, plane: Plane, channels: int, *, halves: bool) -> Plane:
    half, stride, read = channels // 2, 1, Plane((), channels // 2, plane.height, plane.width)
    if halves:
        stride, read = 2, plane
        short = sketch.conv(f"{name}.short.0", plane, plane.channels, 3, stride=2,
                            groups=plane.channels)  # fmt: skip
        sketch.conv(f"{name}.short.1", short, half)
    main = sketch.conv(f"{name}.main.0", read, half)
    main = sketch.conv(f"{name}.main.1", main, half, 3, stride=stride, groups=half)
    main = sketch.conv(f"{name}.main.2", main, half)
    return Plane((), channels, main.height, main.width)


NETWORK = Network(
    "shufflenet_v2_x1_0",
    "ShuffleNet v2, 1.0x, ImageNet 224x224",
    "Ma et al., ECCV 2018, table 5; as in torchvision",
    (3, 224, 224),
    _layers(),
    published_parameters=Published(
        2_278_604, "torchvision, ShuffleNet_V2_X1_0_Weights, num_params"
    ),
    published_macs=Published(
        145_000_000, "torchvision, ShuffleNet_V2_X1_0_Weights, 0.145 GFLOPS", within=500_000
    ),
)
