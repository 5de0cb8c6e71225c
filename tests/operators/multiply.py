"""The case of multiply: of planes, and of channels by one number each."""

from workloads.graph import Node


def draw(random, name, source, nodes, op="multiply"):
    same = [
        node
        for node in nodes
        if all(a == b or 1 in (a, b) for a, b in zip(node.shape, source.shape, strict=True))
    ]
    other = same[random.integers(len(same))]
    shape = tuple(max(pair) for pair in zip(source.shape, other.shape, strict=True))
    return (Node(name, op, (source.name, other.name), shape),)


def in_torch(parts, x):
    import torch

    features = parts.conv(x)
    return features * torch.sigmoid(features.mean((2, 3), keepdim=True)) * x


def in_onnx(b):
    x = b.conv("image", 3, 3, 1)
    return b.add("Mul", x, b.add("Sigmoid", b.add("GlobalAveragePool", x)))
