"""ResNet-56 for CIFAR-10: He et al., CVPR 2016, section 4.2, n = 9, shortcuts without parameters.

Shapes: github.com/akamaster/pytorch_resnet_cifar10, resnet.py (option A).
"""

from workloads.network import Network, Published, square
from workloads.residual import Stage, residual_layers

STAGES = (
    #     channels, blocks, stride
    Stage(16, 9, 1),
    Stage(32, 9, 2),
    Stage(64, 9, 2),
)

NETWORK = Network(
    "resnet56_cifar10",
    "ResNet-56, CIFAR-10 32x32, shortcuts without parameters",
    "He et al., CVPR 2016, section 4.2; as in github.com/akamaster/pytorch_resnet_cifar10",
    (3, 32, 32),
    residual_layers(square("conv1", 3, 16, 32, 3), 32, STAGES, 10, projection=False),
    published_parameters=Published(853_018, "printed by that module's own test"),
    published_macs=Published(
        125_750_000 - 2 * 131_072,
        "github.com/chenyaofo/pytorch-cifar-models: 125.75 M with two 1x1 projections",
        within=5_000,
    ),
)
