"""The case of affine: a batch norm behind a sum, which folds nowhere."""

from workloads.graph import Node


def draw(random, name, source, nodes):
    return (Node(name, "affine", (source.name,), source.shape),)


def in_torch(parts, x):
    import torch

    factor = torch.tensor([0.5, -2.0, 3.0])[:, None, None]
    return torch.relu((parts.conv(x) + x) * factor - 0.25)


def in_onnx(b):
    return b.add("Relu", b.norm(b.add("Add", b.conv("image", 3, 3, 1), "image"), 3))
