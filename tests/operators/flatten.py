"""The case of flatten."""

import math

from workloads.graph import Node


def draw(random, name, source, nodes):
    return (Node(name, "flatten", (source.name,), (math.prod(source.shape), 1, 1)),)


def in_torch(parts, x):
    return parts.conv(x).view(x.size(0), -1)


def in_onnx(b):
    import numpy as np

    return b.add("Reshape", b.conv("image", 3, 2, 3), b.tensor(np.array([0, -1])))
