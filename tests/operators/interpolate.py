"""The case of interpolate."""

from workloads.graph import Node


def draw(random, name, source, nodes):
    size = [int(each) for each in random.integers(1, 12, 2)]
    attributes = {"size": size, "corners": int(random.integers(2))}
    shape = (source.shape[0], *size)
    return (Node(name, "interpolate", (source.name,), shape, attributes=attributes),)


def in_torch(parts, x):
    from torch.nn import functional

    x = functional.interpolate(parts.conv(x), size=(5, 12), mode="bilinear")
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def in_onnx(b):
    import numpy as np

    scales = b.tensor(np.array([1, 1, 2, 3], np.float32))
    return b.add("Resize", b.conv("image", 3, 2, 1), "", scales, mode="linear")
