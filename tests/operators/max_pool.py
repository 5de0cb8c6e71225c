"""The case of max_pool; means draw their windows here too."""

import dataclasses

import numpy as np

from tests.workloads.models import pool
from workloads.graph import Node


def draw(random, name, source, nodes, op="max_pool"):
    if random.random() < 0.3:
        return (of_several_sizes(random, name, source, op),)
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


def of_several_sizes(random, name, source, op):
    """Windows of random places and sizes."""
    attributes = {"kernel": [], "stride": [1, 1], "padding": [0, 0, 0, 0]}
    for side, starts, sizes in zip(
        source.shape[1:], ("tops", "lefts"), ("rows", "columns"), strict=True
    ):
        ends = np.sort(random.integers(0, side, (int(random.integers(1, 6)), 2)), axis=1)
        attributes[starts] = ends[:, 0].tolist()
        attributes[sizes] = (ends[:, 1] - ends[:, 0] + 1).tolist()
        attributes["kernel"].append(max(attributes[sizes]))
    shape = (source.shape[0], len(attributes["tops"]), len(attributes["lefts"]))
    return Node(name, op, (source.name,), shape, attributes=attributes)


def in_torch(parts, x):
    from torch.nn import functional

    return functional.max_pool2d(parts.conv(x), (3, 2), (2, 1), 1, (1, 2), ceil_mode=True)


def in_onnx(b):
    x = b.conv("image", 3, 2, 1)
    x = b.add("MaxPool", x, kernel_shape=[3, 2], strides=[1, 1], pads=[1, 0, 1, 1])
    return b.add("MaxPool", x, kernel_shape=[2, 2], dilations=[2, 2])
