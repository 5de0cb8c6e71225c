"""The case of matmul: attention without weights, spelled out and as torch's own function."""

import numpy as np

from workloads.graph import Node


def draw(random, name, source, nodes):
    c, h, w = source.shape
    back = Node(
        f"{name}_turned",
        "rearrange",
        (source.name,),
        (c, w, h),
        attributes={"counts": [c, w, h], "steps": [h * w, 1, w], "start": 0, "size": [c, w, h]},
    )
    factor = float(random.choice([1.0, -0.5, 0.125]))
    node = Node(name, "matmul", (source.name, back.name), (c, h, h), attributes={"factor": factor})
    return back, node


def in_torch(parts, x):
    import torch
    from torch.nn import functional

    query, key = parts.conv(x), parts.other(x)
    mixed = functional.scaled_dot_product_attention(query, key, x)
    scores = torch.einsum("ncij,nckj->ncik", query, key) * 0.5
    return mixed + scores.softmax(-1) @ query


def in_onnx(b):
    query, key = b.conv("image", 3, 3, 1), b.conv("image", 3, 3, 1)
    scores = b.add("MatMul", query, b.add("Transpose", key, perm=[0, 1, 3, 2]))
    shares = b.add("Softmax", b.add("Mul", scores, b.tensor(np.float32(0.25))), axis=3)
    return b.add("Einsum", shares, "image", equation="ncij,ncjk->ncik")
