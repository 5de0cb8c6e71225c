"""The case of avg_pool."""

from tests.operators import max_pool


def draw(random, name, source, nodes):
    return max_pool.draw(random, name, source, nodes, "avg_pool")


def in_torch(parts, x):
    from torch.nn import functional

    return functional.avg_pool2d(parts.conv(x), (3, 2), (2, 1), (1, 0)).mean((2, 3))


def in_onnx(b):
    x = b.add("AveragePool", b.conv("image", 3, 2, 1), kernel_shape=[3, 2], strides=[2, 1])
    return b.add("GlobalAveragePool", x)
