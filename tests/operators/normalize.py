"""The case of normalize: layer, group and instance norms."""

from workloads.graph import Node


def draw(random, name, source, nodes):
    c = source.shape[0]
    groups = int(random.choice([g for g in range(1, c + 1) if c % g == 0]))
    attributes = {"groups": groups, "pixels": int(random.integers(2)), "epsilon": 1e-3}
    return (Node(name, "normalize", (source.name,), source.shape, attributes=attributes),)


def in_torch(parts, x):
    import torch
    from torch.nn import functional

    channels = parts.conv(x).permute(0, 2, 3, 1)
    scale, shift = torch.tensor([0.5, 2.0, -1.0]), torch.tensor([1.0, 0.0, -1.0])
    x = functional.layer_norm(channels, (3,), scale, shift).permute(0, 3, 1, 2) + x
    return functional.group_norm(functional.instance_norm(x), 3, torch.tensor([3.0, 1.0, 2.0]))


def in_onnx(b):
    x = b.conv("image", 3, 4, 1)
    return b.add("InstanceNormalization", x, b.floats(4), b.floats(4), epsilon=1e-3)
