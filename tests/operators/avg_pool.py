"""The case of avg_pool, with padding that counts, and with padding that does not."""

import dataclasses

from tests.operators import max_pool


def draw(random, name, source, nodes):
    (node,) = max_pool.draw(random, name, source, nodes, "avg_pool")
    if "tops" in node.attributes or random.random() < 0.5:
        return (node,)
    rows, columns = ([int(each) for each in random.integers(1, 5, n)] for n in node.shape[1:])
    attributes = {**node.attributes, "rows": rows, "columns": columns}
    return (dataclasses.replace(node, attributes=attributes),)


def in_torch(parts, x):
    from torch.nn import functional

    x = functional.avg_pool2d(parts.conv(x), (3, 2), (2, 1), (1, 0))
    x = functional.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False)
    return x.mean((2, 3))


def in_onnx(b):
    x = b.add("AveragePool", b.conv("image", 3, 2, 1), kernel_shape=[3, 2], strides=[2, 1])
    x = b.add("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
    return b.add("GlobalAveragePool", x)
