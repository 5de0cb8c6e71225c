"""The case of relu: of the image, behind which nothing can be fused."""

from workloads.graph import Node


def draw(random, name, source, nodes):
    maximum = 1.0 if random.random() < 0.5 else None
    return (Node(name, "relu", (source.name,), source.shape, relu=True, maximum=maximum),)


def in_torch(parts, x):
    from torch.nn import functional

    return functional.relu6(x) + parts.conv(x)


def in_onnx(b):
    import numpy as np

    low, high = (b.tensor(np.float32(v)) for v in (0, 1.5))
    return b.add("Add", b.add("Clip", "image", low, high), b.conv("image", 3, 3, 1))
