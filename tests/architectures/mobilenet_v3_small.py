"""MobileNet v3 small: Howard et al., ICCV 2019, table 2."""

from torch import nn

from tests.architectures.mobilenet_v3 import MobileNetV3

RE, HS = nn.ReLU, nn.Hardswish
ROWS = (
    (3, 16, 16, True, RE, 2),
    (3, 72, 24, False, RE, 2),
    (3, 88, 24, False, RE, 1),
    (5, 96, 40, True, HS, 2),
    (5, 240, 40, True, HS, 1),
    (5, 240, 40, True, HS, 1),
    (5, 120, 48, True, HS, 1),
    (5, 144, 48, True, HS, 1),
    (5, 288, 96, True, HS, 2),
    (5, 576, 96, True, HS, 1),
    (5, 576, 96, True, HS, 1),
)
# torchvision, MobileNet_V3_Small_Weights: num_params, and 0.057 GFLOPS
PARAMETERS, MACS = 2_542_856, 57_000_000


def build(width=1.0):
    """The network, channels times ``width``."""
    return MobileNetV3(ROWS, 1024, width)
