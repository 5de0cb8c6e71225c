"""The case of rearrange: depth to space, a transpose, rows from the last to the first."""

import math

from workloads.graph import Node


def draw(random, name, source, nodes):
    c, h, w = source.shape
    kind = random.integers(3)
    if kind == 0:  # a transpose
        counts, steps, start, size = [c, w, h], [h * w, 1, w], 0, [c, w, h]
    elif kind == 1:  # backwards
        counts, steps, start = [c * h * w], [-1], c * h * w - 1
        size = [c, h, w]
    else:  # every second number, each twice
        half = math.ceil(c * h * w / 2)
        counts, steps, start, size = [half, 2], [2, 0], 0, [2, half, 1]
    attributes = {"counts": counts, "steps": steps, "start": start, "size": size}
    return (Node(name, "rearrange", (source.name,), tuple(size), attributes=attributes),)


def in_torch(parts, x):
    import torch
    from torch.nn import functional

    many = torch.cat([parts.conv(x), parts.other(x), x[:, :2]], 1)
    return functional.pixel_shuffle(many, 2).flip(3)


def in_onnx(b):
    return b.add("DepthToSpace", b.conv("image", 3, 8, 1), blocksize=2, mode="DCR")
