"""ResNet-152 for CIFAR-10: the ImageNet network with a 3x3 stem of stride 1 and no pooling.

Shapes: github.com/kuangliu/pytorch-cifar, models/resnet.py, class Bottleneck.
"""

from workloads.network import Network, Published, square
from workloads.residual import Stage, residual_layers

STAGES = (
    #     channels, blocks, stride
    Stage(64, 3, 1),
    Stage(128, 8, 2),
    Stage(256, 36, 2),
    Stage(512, 3, 2),
)

NETWORK = Network(
    "resnet152_cifar10",
    "ResNet-152, CIFAR-10 32x32",
    "github.com/kuangliu/pytorch-cifar, models/resnet.py",
    (3, 32, 32),
    residual_layers(square("conv1", 3, 64, 32, 3), 32, STAGES, 10, bottleneck=True),
    published_parameters=Published(58_156_618, "that module, as its users print it"),
)
