"""VGG-16 for CIFAR-10: the thirteen convolutions on a 32x32 image and one fully connected layer.

Shapes: github.com/kuangliu/pytorch-cifar, models/vgg.py; a 2x2 maximum pooling stands behind
each of the five blocks, every convolution has a bias and a batch norm.
"""

from workloads.network import Network, NetworkLayer, Published, chain, linear, square

TABLE = (
    #      name       C    K    size kernel
    square("conv1_1", 3, 64, 32, 3),
    square("conv1_2", 64, 64, 32, 3),
    square("conv2_1", 64, 128, 16, 3),
    square("conv2_2", 128, 128, 16, 3),
    square("conv3_1", 128, 256, 8, 3),
    square("conv3_2", 256, 256, 8, 3),
    square("conv3_3", 256, 256, 8, 3),
    square("conv4_1", 256, 512, 4, 3),
    square("conv4_2", 512, 512, 4, 3),
    square("conv4_3", 512, 512, 4, 3),
    square("conv5_1", 512, 512, 2, 3),
    square("conv5_2", 512, 512, 2, 3),
    square("conv5_3", 512, 512, 2, 3),
)

NETWORK = Network(
    "vgg16_cifar10",
    "VGG-16 with batch norm, CIFAR-10 32x32",
    "github.com/kuangliu/pytorch-cifar, models/vgg.py",
    (3, 32, 32),
    (
        *chain(TABLE, bias=True, batch_norm=True),
        NetworkLayer(linear("fc", 512, 10), ("conv5_3",), bias=True),
    ),
    published_parameters=Published(14_728_266, "that module, as its users print it"),
    published_macs=Published(
        313_730_000 - 2 * 512 * 512,
        "github.com/chenyaofo/pytorch-cifar-models: 313.73 M with two more 512x512 layers",
        within=5_000,
    ),
)
