"""GoogLeNet for ImageNet: Szegedy et al., CVPR 2015, table 1, without the auxiliary classifiers."""

from workloads.inception import Inception, googlenet_layers
from workloads.network import Network, Published

MODULES = (
    #         name size 1x1 3x3_reduce 3x3 5x5_reduce 5x5 pool_proj
    Inception("3a", 28, 64, 96, 128, 16, 32, 32),
    Inception("3b", 28, 128, 128, 192, 32, 96, 64),
    Inception("4a", 14, 192, 96, 208, 16, 48, 64),
    Inception("4b", 14, 160, 112, 224, 24, 64, 64),
    Inception("4c", 14, 128, 128, 256, 24, 64, 64),
    Inception("4d", 14, 112, 144, 288, 32, 64, 64),
    Inception("4e", 14, 256, 160, 320, 32, 128, 128),
    Inception("5a", 7, 256, 160, 320, 32, 128, 128),
    Inception("5b", 7, 384, 192, 384, 48, 128, 128),
)

NETWORK = Network(
    "googlenet",
    "GoogLeNet, ImageNet 224x224, with 5x5 convolutions and biases as in the paper",
    "Szegedy et al., CVPR 2015, table 1",
    (3, 224, 224),
    googlenet_layers(MODULES),
    published_parameters=Published(
        6_998_552, "github.com/HewlettPackard/dlcookbook-dlbs, models, bvlc_googlenet"
    ),
    published_macs=Published(
        1_500_000_000,
        "Szegedy et al., section 1: a budget of 1.5 billion multiply-adds",
        within=100_000_000,  # a budget, not a count
    ),
)
