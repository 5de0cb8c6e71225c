"""The case of softmax: inside a network."""

from workloads.graph import Node


def draw(random, name, source, nodes):
    attributes = {"axis": int(random.integers(1, 4))}
    return (Node(name, "softmax", (source.name,), source.shape, attributes=attributes),)


def in_torch(parts, x):
    return parts.conv(x).softmax(1) * x


def in_onnx(b):
    return b.add("Mul", b.add("Softmax", b.conv("image", 3, 3, 1), axis=3), "image")
