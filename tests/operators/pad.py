"""The case of pad."""

from tests.workloads.models import padded


def draw(random, name, source, nodes):
    amounts = [int(v) for v in random.integers(0, 3, 6)]
    return (padded(name, source.name, source.shape, amounts),)


def in_torch(parts, x):
    from torch.nn import functional

    return functional.pad(parts.conv(x), (1, 0, 2, 1, 0, 3))


def in_onnx(b):
    import numpy as np

    return b.add("Pad", b.conv("image", 3, 2, 1), b.tensor(np.array([0, 1, 2, 0, 0, 2, 0, 1])))
