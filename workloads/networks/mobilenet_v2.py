"""MobileNet v2 (width 1.0) for ImageNet: Sandler et al., CVPR 2018, table 2."""

from workloads.inverted_residual import Row, inverted_residual_layers
from workloads.network import Network, Published, square

ROWS = (
    Row(t=1, c=16, n=1, s=1),
    Row(t=6, c=24, n=2, s=2),
    Row(t=6, c=32, n=3, s=2),
    Row(t=6, c=64, n=4, s=2),
    Row(t=6, c=96, n=3, s=1),
    Row(t=6, c=160, n=3, s=2),
    Row(t=6, c=320, n=1, s=1),
)

NETWORK = Network(
    "mobilenet_v2",
    "MobileNet v2, width 1.0, ImageNet 224x224",
    "Sandler et al., CVPR 2018, table 2; as in torchvision",
    (3, 224, 224),
    inverted_residual_layers(square("conv1", 3, 32, 224, 3, stride=2), ROWS, 1000),
    published_parameters=Published(3_504_872, "torchvision, MobileNet_V2_Weights, num_params"),
    published_macs=Published(
        301_000_000, "torchvision, MobileNet_V2_Weights, 0.301 GFLOPS", within=500_000
    ),
)
