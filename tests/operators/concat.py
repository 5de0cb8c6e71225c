"""The case of concat."""

from workloads.graph import Node


def draw(random, name, source, nodes):
    same = [node for node in nodes if node.shape[1:] == source.shape[1:]]
    others = [same[i] for i in random.integers(0, len(same), random.integers(1, 3))]
    operands = [source, *others]
    channels = sum(node.shape[0] for node in operands)
    return (Node(name, "concat", tuple(n.name for n in operands), (channels, *source.shape[1:])),)


def in_torch(parts, x):
    import torch

    return torch.cat([parts.conv(x), x, parts.other(x)], 1)


def in_onnx(b):
    return b.add("Concat", b.conv("image", 3, 2, 1), "image", axis=1)
