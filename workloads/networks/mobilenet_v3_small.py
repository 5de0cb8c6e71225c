"""MobileNet v3 small (width 1.0) for ImageNet: Howard et al., ICCV 2019, table 2."""

from workloads.mobilenet_v3 import Row, mobilenet_v3_layers
from workloads.network import Network, Published

ROWS = (
    # kernel, expanded, out, gated, stride
    Row(3, 16, 16, True, 2),
    Row(3, 72, 24, False, 2),
    Row(3, 88, 24, False, 1),
    Row(5, 96, 40, True, 2),
    Row(5, 240, 40, True, 1),
    Row(5, 240, 40, True, 1),
    Row(5, 120, 48, True, 1),
    Row(5, 144, 48, True, 1),
    Row(5, 288, 96, True, 2),
    Row(5, 576, 96, True, 1),
    Row(5, 576, 96, True, 1),
)

NETWORK = Network(
    "mobilenet_v3_small",
    "MobileNet v3 small, width 1.0, ImageNet 224x224",
    "Howard et al., ICCV 2019, table 2; as in torchvision",
    (3, 224, 224),
    mobilenet_v3_layers(ROWS, 1024, 1000),
    published_parameters=Published(
        2_542_856, "torchvision, MobileNet_V3_Small_Weights, num_params"
    ),
    published_macs=Published(
        57_000_000, "torchvision, MobileNet_V3_Small_Weights, 0.057 GFLOPS", within=500_000
    ),
)
