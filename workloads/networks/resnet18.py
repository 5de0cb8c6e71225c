"""ResNet-18 for ImageNet: He et al., CVPR 2016, table 1, with projections (option B)."""

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
    "resnet18",
    "ResNet-18, ImageNet 224x224",
    "He et al., CVPR 2016, table 1; as in torchvision",
    (3, 224, 224),
    residual_layers(square("conv1", 3, 64, 224, 7, stride=2), 56, STAGES, 1000),
    published_parameters=Published(11_689_512, "torchvision, ResNet18_Weights, num_params"),
    published_macs=Published(
        1_814_000_000, "torchvision, ResNet18_Weights, 1.814 GFLOPS", within=500_000
    ),
)
