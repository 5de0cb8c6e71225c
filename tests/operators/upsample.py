"""The case of upsample."""

from workloads.graph import Node


def draw(random, name, source, nodes):
    factors = [int(each) for each in random.integers(1, 4, 2)]
    c, h, w = source.shape
    shape = (c, h * factors[0], w * factors[1])
    return (Node(name, "upsample", (source.name,), shape, attributes={"factors": factors}),)


def in_torch(parts, x):
    from torch.nn import functional

    return functional.interpolate(parts.conv(x), scale_factor=2, mode="nearest")


def in_onnx(b):
    import numpy as np

    scales = b.tensor(np.array([1, 1, 2, 3], np.float32))
    return b.add(
        "Resize",
        b.conv("image", 3, 2, 1),
        "",
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
