"""The case of minimum: of two tensors."""

from tests.operators import multiply


def draw(random, name, source, nodes):
    return multiply.draw(random, name, source, nodes, "minimum")


def in_torch(parts, x):
    import torch

    return torch.minimum(parts.conv(x), parts.other(x)) + torch.min(parts.conv(x), x)


def in_onnx(b):
    return b.add("Min", b.conv("image", 3, 3, 1), "image")
