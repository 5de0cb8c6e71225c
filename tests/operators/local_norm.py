"""The case of local_norm."""

from workloads.graph import Node


def draw(random, name, source, nodes):
    attributes = {"size": int(random.integers(1, 6)), "alpha": 0.1, "beta": 0.75, "bias": 1.0}
    return (Node(name, "local_norm", (source.name,), source.shape, attributes=attributes),)


def in_torch(parts, x):
    from torch.nn import functional

    from escalate.capture.operators.local_norm import local_norm

    x = functional.local_response_norm(parts.conv(x), 3, 0.1, 0.75, 2.0)
    x = functional.local_response_norm(x, 2, 0.5, 0.5, 1.0)  # even: more before than behind
    return local_norm(x, 3, 0.1, 0.75, 2.0)


def in_onnx(b):
    return b.add("LRN", b.conv("image", 3, 6, 1), size=5, alpha=0.1, beta=0.5, bias=1.5)
