"""MobileNet v3 large: Howard et al., ICCV 2019, table 1."""

from torch import nn

from tests.architectures.mobilenet_v3 import MobileNetV3

RE, HS = nn.ReLU, nn.Hardswish
ROWS = (
    (3, 16, 16, False, RE, 1),
    (3, 64, 24, False, RE, 2),
    (3, 72, 24, False, RE, 1),
    (5, 72, 40, True, RE, 2),
    (5, 120, 40, True, RE, 1),
    (5, 120, 40, True, RE, 1),
    (3, 240, 80, False, HS, 2),
    (3, 200, 80, False, HS, 1),
    (3, 184, 80, False, HS, 1),
    (3, 184, 80, False, HS, 1),
    (3, 480, 112, True, HS, 1),
    (3, 672, 112, True, HS, 1),
    (5, 672, 160, True, HS, 2),
    (5, 960, 160, True, HS, 1),
    (5, 960, 160, True, HS, 1),
)
# torchvision, MobileNet_V3_Large_Weights: num_params, and 0.217 GFLOPS
PARAMETERS, MACS = 5_483_032, 217_000_000


def build(width=1.0):
    """The network, channels times ``width``."""
    return MobileNetV3(ROWS, 1280, width)
