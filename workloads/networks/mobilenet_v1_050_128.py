"""MobileNet (version 1, width 0.5) on images of 128x128: Howard et al., 2017, tables 1, 6 and 7.

The network that Eyeriss v2 (JETCAS 2019) was measured with.
"""

from fractions import Fraction

from workloads.network import Network, Published
from workloads.networks.mobilenet_v1 import layers

NETWORK = Network(
    "mobilenet_v1_050_128",
    "MobileNet v1, width 0.5, ImageNet 128x128",
    "Howard et al., arXiv 1704.04861, table 1",
    (3, 128, 128),
    layers(Fraction(1, 2), 128),
    published_parameters=Published(
        1_331_592, "github.com/osmr/imgclsmob, mobilenet_wd2; the paper prints 1.3 M"
    ),
    published_macs=Published(
        49_200_000, "nominal MACs in Eyeriss v2 (JETCAS 2019): 49.2 M", within=50_000
    ),
)
