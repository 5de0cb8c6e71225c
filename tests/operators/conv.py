"""The case of conv; fully connected layers are convolutions too."""

from workloads.graph import Node
from workloads.layer import ConvLayer


def draw(random, name, source, nodes):
    c, h, w = source.shape
    groups = int(random.choice([g for g in (1, 2, c) if c % g == 0]))
    r, s, down, across = (int(v) for v in random.integers(1, (4, 4, 3, 3)))
    reach_r, reach_s = down * (r - 1), across * (s - 1)
    padding = tuple(int(random.integers(0, 2)) + v for v in (reach_r, 0, 0, reach_s))
    k = groups * int(random.integers(1, 4))
    stride = tuple(int(v) for v in random.integers(1, 4, 2))
    layer = ConvLayer(name, c, k, h, w, r, s, stride, padding, (down, across), groups)
    return (Node(name, "conv", (source.name,), (k, layer.P, layer.Q), layer),)


def in_torch(parts, x):
    return parts.other(parts.conv(x))


def in_onnx(b):
    x = b.conv("image", 3, 4, 3, pads=[1, 0, 1, 2], strides=[2, 1], dilations=[1, 3])
    return b.add("Gemm", b.add("Flatten", x), b.floats(4 * 5 * 7, 2), b.floats(2))
