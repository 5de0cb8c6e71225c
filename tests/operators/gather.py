"""The case of gather: channels shuffled, as in ShuffleNet."""

from workloads.graph import Node


def draw(random, name, source, nodes):
    count = int(random.integers(1, 2 * source.shape[0] + 1))
    channels = [int(each) for each in random.integers(0, source.shape[0], count)]
    shape = (count, *source.shape[1:])
    return (Node(name, "gather", (source.name,), shape, attributes={"channels": channels}),)


def in_torch(parts, x):
    import torch

    both = torch.cat([parts.conv(x), x], 1)
    n, c, h, w = both.shape
    return both.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def in_onnx(b):
    import numpy as np

    x = b.conv("image", 3, 6, 1)
    grouped = b.add("Reshape", x, b.tensor(np.array([0, 2, 3, 9, 11])))
    return b.add(
        "Reshape",
        b.add("Transpose", grouped, perm=[0, 2, 1, 3, 4]),
        b.tensor(np.array([0, 6, 9, 11])),
    )
