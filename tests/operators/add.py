"""The case of add."""

from tests.operators import multiply


def draw(random, name, source, nodes):
    return multiply.draw(random, name, source, nodes, "add")


def in_torch(parts, x):
    return parts.conv(x) + parts.other(x) + x.mean((2, 3), keepdim=True)


def in_onnx(b):
    return b.add("Add", b.conv("image", 3, 3, 1), "image")
