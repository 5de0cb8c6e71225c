"""The case of response_norm: the gates of ConvNeXt V2, on planes of either layout."""

from workloads.graph import Node


def draw(random, name, source, nodes):
    shape = (source.shape[0], 1, 1)
    return (Node(name, "response_norm", (source.name,), shape, attributes={"epsilon": 1e-3}),)


def in_torch(parts, x):
    import torch

    last = parts.conv(x).permute(0, 2, 3, 1)
    sizes = torch.norm(last, p=2, dim=(1, 2), keepdim=True)
    gated = last * (sizes / (sizes.mean(dim=-1, keepdim=True) + 1e-6)) * 2 + last
    sizes = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True)
    return gated.permute(0, 3, 1, 2) + x * (sizes / (1e-3 + sizes.mean(1, keepdim=True)))


def in_onnx(b):
    import numpy as np

    x = b.conv("image", 3, 4, 1)
    sizes = b.add("ReduceL2", x, axes=[2, 3])
    mean = b.add("ReduceMean", sizes, axes=[1])
    return b.add("Mul", x, b.add("Div", sizes, b.add("Add", mean, b.tensor(np.float32(1e-3)))))
