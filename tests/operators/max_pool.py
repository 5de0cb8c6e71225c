"""The case of max_pool; means draw their windows here too."""

from tests.workloads.models import pool


def draw(random, name, source, nodes, op="max_pool"):
    kernel = [int(random.integers(1, min(4, side + 1))) for side in source.shape[1:]]
    padding = [int(random.integers(0, kernel[i // 2])) for i in range(4)]
    stride = [int(v) for v in random.integers(1, 3, 2)]
    return (pool(name, op, source.name, source.shape, kernel, stride, padding),)


def in_torch(parts, x):
    from torch.nn import functional

    return functional.max_pool2d(parts.conv(x), (3, 2), (2, 1), 1, ceil_mode=True)


def in_onnx(b):
    x = b.conv("image", 3, 2, 1)
    return b.add("MaxPool", x, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0])
