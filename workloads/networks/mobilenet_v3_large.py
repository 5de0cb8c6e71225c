"""MobileNet v3 large (width 1.0) for ImageNet: Howard et al., ICCV 2019, table 1."""

from workloads.mobilenet_v3 import Row, mobilenet_v3_layers
from workloads.network import Network, Published

ROWS = (
    # kernel, expanded, out, gated, stride
    Row(3, 16, 16, False, 1),
    Row(3, 64, 24, False, 2),
    Row(3, 72, 24, False, 1),
    Row(5, 72, 40, True, 2),
    Row(5, 120, 40, True, 1),
    Row(5, 120, 40, True, 1),
    Row(3, 240, 80, False, 2),
    Row(3, 200, 80, False, 1),
    Row(3, 184, 80, False, 1),
    Row(3, 184, 80, False, 1),
    Row(3, 480, 112, True, 1),
    Row(3, 672, 112, True, 1),
    Row(5, 672, 160, True, 2),
    Row(5, 960, 160, True, 1),
    Row(5, 960, 160, True, 1),
)

NETWORK = Network(
    "mobilenet_v3_large",
    "MobileNet v3 large, width 1.0, ImageNet 224x224",
    "Howard et al., ICCV 2019, table 1; as in torchvision",
    (3, 224, 224),
    mobilenet_v3_layers(ROWS, 1280, 1000),
    published_parameters=Published(
        5_483_032, "torchvision, MobileNet_V3_Large_Weights, num_params"
    ),
    published_macs=Published(
        217_000_000, "torchvision, MobileNet_V3_Large_Weights, 0.217 GFLOPS", within=500_000
    ),
)
