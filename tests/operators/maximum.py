"""The case of maximum: of two tensors."""

from tests.operators import multiply


def draw(random, name, source, nodes):
    return multiply.draw(random, name, source, nodes, "maximum")


def in_torch(parts, x):
    import torch

    return torch.maximum(parts.conv(x), parts.other(x)) + torch.max(parts.conv(x), x)


def in_onnx(b):
    return b.add("Max", b.conv("image", 3, 3, 1), "image")
