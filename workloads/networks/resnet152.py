"""ResNet-152 for ImageNet: He et al., CVPR 2016, table 1, with projections (option B).

As in torchvision the stride is in the 3x3 convolution ("version 1.5"); the paper has it in the
1x1 convolution before, which gives the same parameters and fewer MACs.
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
    "resnet152",
    "ResNet-152, ImageNet 224x224, stride in the 3x3 convolutions",
    "He et al., CVPR 2016, table 1; as in torchvision",
    (3, 224, 224),
    residual_layers(square("conv1", 3, 64, 224, 7, stride=2), 56, STAGES, 1000, bottleneck=True),
    published_parameters=Published(60_192_808, "torchvision, ResNet152_Weights, num_params"),
    published_macs=Published(
        11_514_000_000, "torchvision, ResNet152_Weights, 11.514 GFLOPS", within=500_000
    ),
)
