"""VGG-16 for ImageNet: configuration D of Simonyan and Zisserman, table 1.

A 2x2 maximum pooling stands behind each of the five blocks; all layers have biases.
"""

from workloads.network import Network, Published, chain, linear, square

TABLE = (
    #      name       C    K    size kernel
    square("conv1_1", 3, 64, 224, 3),
    square("conv1_2", 64, 64, 224, 3),
    square("conv2_1", 64, 128, 112, 3),
    square("conv2_2", 128, 128, 112, 3),
    square("conv3_1", 128, 256, 56, 3),
    square("conv3_2", 256, 256, 56, 3),
    square("conv3_3", 256, 256, 56, 3),
    square("conv4_1", 256, 512, 28, 3),
    square("conv4_2", 512, 512, 28, 3),
    square("conv4_3", 512, 512, 28, 3),
    square("conv5_1", 512, 512, 14, 3),
    square("conv5_2", 512, 512, 14, 3),
    square("conv5_3", 512, 512, 14, 3),
    linear("fc6", 512 * 7 * 7, 4096),
    linear("fc7", 4096, 4096),
    linear("fc8", 4096, 1000),
)

NETWORK = Network(
    "vgg16",
    "VGG-16, ImageNet 224x224",
    "Simonyan and Zisserman, ICLR 2015, table 1, configuration D",
    (3, 224, 224),
    chain(TABLE, bias=True),
    published_parameters=Published(138_357_544, "torchvision, VGG16_Weights, num_params"),
    published_macs=Published(
        15_470_000_000, "torchvision, VGG16_Weights, 15.47 GFLOPS", within=5_000_000
    ),
)
