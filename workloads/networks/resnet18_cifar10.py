"""ResNet-18 for CIFAR-10: the ImageNet network with a 3x3 stem of stride 1 and no pooling.

Shapes: github.com/kuangliu/pytorch-cifar, models/resnet.py, class BasicBlock.
"""

from workloads.network import Network, Published, square
from workloads.residual import Stage, residual_layers

STAGES = (
    #     channels, blocks, stride
    Stage(64, 2, 1),
    Stage(128, 2, 2),
    Stage(256, 2, 2),
    Stage(512, 2, 2),
)

NETWORK = Network(
    "resnet18_cifar10",
    "ResNet-18, CIFAR-10 32x32",
    "github.com/kuangliu/pytorch-cifar, models/resnet.py",
    (3, 32, 32),
    residual_layers(square("conv1", 3, 64, 32, 3), 32, STAGES, 10),
    published_parameters=Published(11_173_962, "that module, as its users print it"),
    published_macs=Published(
        560_000_000, "github.com/da2so/DA2Lite, model_zoo: 0.56 G", within=5_000_000
    ),
)
