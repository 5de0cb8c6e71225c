"""GoogLeNet as torchvision has it: batch norms, and 3x3 kernels where the paper has 5x5.

The kernels are a known slip (github.com/pytorch/vision, issue 906) that its weights depend on.
The channels are those of the paper's table; no auxiliary classifiers.
"""

from workloads.inception import googlenet_layers
from workloads.network import Network, Published
from workloads.networks.googlenet import MODULES

NETWORK = Network(
    "googlenet_torchvision",
    "GoogLeNet, ImageNet 224x224, with batch norms and 3x3 in place of 5x5 convolutions",
    "torchvision, models/googlenet.py",
    (3, 224, 224),
    googlenet_layers(MODULES, five_kernel=3, batch_norm=True),
    published_parameters=Published(6_624_904, "torchvision, GoogLeNet_Weights, num_params"),
    published_macs=Published(
        1_498_000_000, "torchvision, GoogLeNet_Weights, 1.498 GFLOPS", within=500_000
    ),
)
