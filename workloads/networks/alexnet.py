"""AlexNet for ImageNet, the two-tower network of the paper: convolutions 2, 4 and 5 in two groups.

Shapes: Eyeriss (Chen et al., JSSC 2017), table III, convolutions; fully connected layers as in
Caffe's ``bvlc_alexnet``, which also counts one bias per output channel.
"""

from workloads.network import Network, Published, chain, linear, square

TABLE = (
    #      name     C    K    size kernel
    square("conv1", 3, 96, 227, 11, stride=4, padding=0),
    square("conv2", 96, 256, 27, 5, groups=2),
    square("conv3", 256, 384, 13, 3),
    square("conv4", 384, 384, 13, 3, groups=2),
    square("conv5", 384, 256, 13, 3, groups=2),
    linear("fc6", 256 * 6 * 6, 4096),
    linear("fc7", 4096, 4096),
    linear("fc8", 4096, 1000),
)

NETWORK = Network(
    "alexnet",
    "AlexNet, ImageNet 227x227, grouped",
    "Krizhevsky et al., NIPS 2012; shapes: Eyeriss, JSSC 2017, table III, and Caffe bvlc_alexnet",
    (3, 227, 227),
    chain(TABLE, bias=True),
    published_parameters=Published(60_965_224, "Caffe bvlc_alexnet"),
    published_macs=Published(
        724_400_000, "nominal MACs in Eyeriss v2 (JETCAS 2019): 724.4 M", within=50_000
    ),
)
