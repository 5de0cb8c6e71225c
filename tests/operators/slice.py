"""The case of slice."""

from tests.workloads.models import strided


def draw(random, name, source, nodes):
    axis = int(random.integers(1, 4))
    size = source.shape[axis - 1]
    start = int(random.integers(0, size))
    stop = int(random.integers(start + 1, size + 1))
    return (
        strided(name, source.name, source.shape, axis, start, stop, int(random.integers(1, 4))),
    )


def in_torch(parts, x):
    return parts.conv(x)[:, 1:, 2:-1:2, -4:]


def in_onnx(b):
    import numpy as np

    bounds = [b.tensor(np.array(v)) for v in ([1, 0], [2, 9], [1, 2], [1, 2])]
    return b.add("Slice", b.conv("image", 3, 4, 1), *bounds)
