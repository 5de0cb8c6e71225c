"""The case of add."""

from workloads.graph import Node


def draw(random, name, source, nodes):
    same = [node for node in nodes if node.shape == source.shape]
    other = same[random.integers(len(same))]
    return (Node(name, "add", (source.name, other.name), source.shape),)


def in_torch(parts, x):
    return parts.conv(x) + parts.other(x)


def in_onnx(b):
    return b.add("Add", b.conv("image", 3, 3, 1), "image")
