"""SqueezeNet 1.0 for ImageNet: Iandola et al., 2016, table 1, on 224x224 as in torchvision.

The stem is not padded; the three 3x3 poolings of stride 2 round up.
"""

from workloads.fire import Fire, squeezenet_layers
from workloads.network import Network, Published, square

FIRES = (
    #    squeeze, expand, size
    Fire(16, 64, 54),
    Fire(16, 64, 54),
    Fire(32, 128, 54),
    Fire(32, 128, 27),
    Fire(48, 192, 27),
    Fire(48, 192, 27),
    Fire(64, 256, 27),
    Fire(64, 256, 13),
)

NETWORK = Network(
    "squeezenet1_0",
    "SqueezeNet 1.0, ImageNet 224x224",
    "Iandola et al., arXiv 1602.07360, table 1; as in torchvision",
    (3, 224, 224),
    squeezenet_layers(square("conv1", 3, 96, 224, 7, stride=2, padding=0), FIRES),
    published_parameters=Published(1_248_424, "torchvision, SqueezeNet1_0_Weights, num_params"),
    published_macs=Published(
        819_000_000, "torchvision, SqueezeNet1_0_Weights, 0.819 GFLOPS", within=500_000
    ),
)
