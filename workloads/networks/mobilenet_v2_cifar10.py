"""MobileNet v2 (width 1.0) for CIFAR-10: stem and second row with stride 1.

Shapes: github.com/kuangliu/pytorch-cifar, models/mobilenetv2.py, whose blocks of stride 1 all
have shortcuts, through 1x1 convolutions where channels change, and whose t = 1 block expands.
"""

from workloads.inverted_residual import Row, inverted_residual_layers
from workloads.network import Network, Published, square

ROWS = (
    Row(t=1, c=16, n=1, s=1),
    Row(t=6, c=24, n=2, s=1),
    Row(t=6, c=32, n=3, s=2),
    Row(t=6, c=64, n=4, s=2),
    Row(t=6, c=96, n=3, s=1),
    Row(t=6, c=160, n=3, s=2),
    Row(t=6, c=320, n=1, s=1),
)

NETWORK = Network(
    "mobilenet_v2_cifar10",
    "MobileNet v2, width 1.0, CIFAR-10 32x32",
    "github.com/kuangliu/pytorch-cifar, models/mobilenetv2.py",
    (3, 32, 32),
    inverted_residual_layers(square("conv1", 3, 32, 32, 3), ROWS, 10, projected_shortcuts=True),
    published_parameters=Published(2_296_922, "that module, as its users print it"),
    published_macs=Published(
        90_000_000, "github.com/da2so/DA2Lite, model_zoo: 0.09 G", within=5_000_000
    ),
)
