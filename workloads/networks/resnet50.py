"""ResNet-50 for ImageNet: He et al., CVPR 2016, table 1, with projections (option B).

As in torchvision the stride is in the 3x3 convolution ("version 1.5"); the paper has it in the
1x1 convolution before, which gives the same parameters and 3.8 instead of 4.1 billion MACs.
"""

from workloads.network import Network, Published, square
from workloads.residual import Stage, residual_layers

STAGES = (
    #     channels, blocks, stride
    Stage(64, 3, 1),
    Stage(128, 4, 2),
    Stage(256, 6, 2),
    Stage(512, 3, 2),
)

NETWORK = Network(
    "resnet50",
    "ResNet-50, ImageNet 224x224, stride in the 3x3 convolutions",
    "He et al., CVPR 2016, table 1; as in torchvision",
    (3, 224, 224),
    residual_layers(square("conv1", 3, 64, 224, 7, stride=2), 56, STAGES, 1000, bottleneck=True),
    published_parameters=Published(25_557_032, "torchvision, ResNet50_Weights, num_params"),
    published_macs=Published(
        4_089_000_000, "torchvision, ResNet50_Weights, 4.089 GFLOPS", within=500_000
    ),
)
