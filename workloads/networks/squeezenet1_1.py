"""SqueezeNet 1.1 for ImageNet: github.com/forresti/SqueezeNet, as in torchvision.

The stem is not padded; the three 3x3 poolings of stride 2 round up.
"""

from workloads.fire import Fire, squeezenet_layers
from workloads.network import Network, Published, square

FIRES = (
    #    squeeze, expand, size
    Fire(16, 64, 55),
    Fire(16, 64, 55),
    Fire(32, 128, 27),
    Fire(32, 128, 27),
    Fire(48, 192, 13),
    Fire(48, 192, 13),
    Fire(64, 256, 13),
    Fire(64, 256, 13),
)

NETWORK = Network(
    "squeezenet1_1",
    "SqueezeNet 1.1, ImageNet 224x224",
    "github.com/forresti/SqueezeNet, SqueezeNet_v1.1; as in torchvision",
    (3, 224, 224),
    squeezenet_layers(square("conv1", 3, 64, 224, 3, stride=2, padding=0), FIRES),
    published_parameters=Published(1_235_496, "torchvision, SqueezeNet1_1_Weights, num_params"),
    published_macs=Published(
        349_000_000, "torchvision, SqueezeNet1_1_Weights, 0.349 GFLOPS", within=500_000
    ),
)
