"""The case of max_pool; means draw their windows here too."""

import dataclasses

from tests.workloads.models import pool


def draw(random, name, source, nodes, op="max_pool"):
    kernel = [int(random.integers(1, min(4, side + 1))) for side in source.shape[1:]]
    padding = [int(random.integers(0, kernel[i // 2])) for i in range(4)]
    stride = [int(v) for v in random.integers(1, 3, 2)]
    node = pool(name, op, source.name, source.shape, kernel, stride, padding)
    if random.random() < 0.5 or any(
        (k - 1) * 2 >= s for k, s in zip(kernel, source.shape[1:], strict=True)
    ):
        return (node,)
    reach = [2 * (size - 1) + 1 for size in kernel]
    (c, p, q) = pool(name, op, source.name, source.shape, reach, stride, padding).shape
    attributes = {**node.attributes, "dilation": [2, 2]}
    return (dataclasses.replace(node, shape=(c, p, q), attributes=attributes),)


def in_torch(parts, x):
    from torch.nn import functional

    return functional.max_pool2d(parts.conv(x), (3, 2), (2, 1), 1, (1, 2), ceil_mode=True)


def in_onnx(b):
    x = b.conv("image", 3, 2, 1)
    x = b.add("MaxPool", x, kernel_shape=[3, 2], strides=[1, 1], pads=[1, 0, 1, 1])
    return b.add("MaxPool", x, kernel_shape=[2, 2], dilations=[2, 2])
