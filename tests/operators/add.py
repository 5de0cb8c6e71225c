"""The case of add."""

from workloads.graph import Node


def draw(random, name, source, nodes):
    # Of twice the same tensor every second sum lies between two steps, where floats round to the
    # even one and integers up; so that is only drawn where there is no other.
    same = [node for node in nodes if node.shape == source.shape and node is not source]
    other = same[random.integers(len(same))] if same else source
    return Node(name, "add", (source.name, other.name), source.shape)


def in_torch(parts, x):
    return parts.conv(x) + parts.other(x)


def in_onnx(b):
    return b.add("Add", b.conv("image", 3, 3, 1), "image")
