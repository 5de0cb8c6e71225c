"""graph_nodes: ways for a random graph to grow, each from a tensor (1, C, H, W)."""

import numpy as np

ALL = []


def way(times=1):
    """Register a way, more often than others if it stands for many."""

    def noted(function):
        ALL.extend([function] * times)
        return function

    return noted


def _windows(graph, shape, largest=3):
    """Kernel, strides, dilations and padding of a window over a plane."""
    kernel = [graph.number(1, min(largest, side)) for side in shape[2:]]
    found = {"kernel_shape": kernel}
    if graph.chance(0.5):
        found["strides"] = [graph.number(1, 3), graph.number(1, 3)]
    if graph.chance(0.2):
        found["auto_pad"] = graph.of("SAME_UPPER", "SAME_LOWER", "VALID")
    elif graph.chance(0.6):
        found["pads"] = [graph.number(0, side - 1) for side in (*kernel, *kernel)]
    return found


@way(8)
def conv(graph, source, shape):
    groups = graph.of(1, 1, 1, shape[1])
    inner = shape[1] // groups
    width = groups * graph.number(1, 4)
    found = _windows(graph, shape)
    if graph.chance(0.3) and "auto_pad" not in found:
        found["dilations"] = [graph.number(1, 2), graph.number(1, 2)]
    kernel = found["kernel_shape"]
    weights = graph.floats(width, inner, *kernel, scale=(inner * np.prod(kernel)) ** -0.5)
    bias = [graph.floats(width)] if graph.chance(0.5) else []
    return graph.add("Conv", source, weights, *bias, group=groups, **found)


@way(2)
def transposed(graph, source, shape):
    kernel = [graph.number(1, 3), graph.number(1, 3)]
    strides = [graph.number(1, 2), graph.number(1, 2)]
    pads = [graph.number(0, side // 2) for side in kernel]
    more = [graph.number(0, side - 1) for side in strides]
    width = graph.number(1, 4)
    groups = graph.of(1, 1, shape[1])
    weights = graph.floats(shape[1], width, *kernel, scale=0.5)
    return graph.add(
        "ConvTranspose", source, weights, graph.floats(width * groups),
        strides=strides, pads=pads * 2, output_padding=more, group=groups, kernel_shape=kernel,
    )  # fmt: skip


@way(3)
def norm(graph, source, shape):
    return graph.norm(source, shape[1])


PLAIN = ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Abs", "Neg", "Erf", "Exp")
WITH_ALPHA = ("LeakyRelu", "Elu", "Celu", "HardSigmoid", "Selu", "ThresholdedRelu")


@way(5)
def plain(graph, source, shape):
    kind = graph.of(*PLAIN)
    if kind == "HardSwish" and graph.opset < 14:
        kind = "Relu"
    return graph.add(kind, source)


@way(3)
def with_alpha(graph, source, shape):
    return graph.add(graph.of(*WITH_ALPHA), source, alpha=float(graph.number(1, 20) / 16))


@way(2)
def newer(graph, source, shape):
    if graph.opset < 20:
        return None
    if graph.chance(0.5):
        return graph.add("Gelu", source, approximate=graph.of("none", "tanh"))
    return graph.add("Mish", source)


@way(2)
def gated(graph, source, shape):
    gate = graph.add(graph.of("Sigmoid", "HardSigmoid", "Tanh"), source)
    return graph.add("Mul", *graph.of((source, gate), (gate, source)))


@way(2)
def clipped(graph, source, shape):
    low, high = (graph.tensor(np.float32(each)) for each in (-0.5, graph.number(1, 6)))
    return graph.add("Clip", source, graph.of(low, ""), *([high] if graph.chance(0.7) else []))


@way()
def sloped(graph, source, shape):
    slopes = graph.floats(*graph.of((shape[1], 1, 1), (1,), (1, 1, 1)), scale=0.3)
    return graph.add("PRelu", source, slopes)


@way(4)
def pooled(graph, source, shape):
    found = _windows(graph, shape)
    if graph.chance(0.4) and "auto_pad" not in found:
        found["ceil_mode"] = 1
    if graph.chance(0.5):
        if graph.chance(0.2) and "auto_pad" not in found:
            found["dilations"] = [graph.number(1, 2), graph.number(1, 2)]
        return graph.add("MaxPool", source, **found)
    if graph.chance(0.5):
        found["count_include_pad"] = graph.number(0, 1)
    if graph.chance(0.2) and "auto_pad" not in found and graph.opset >= 19:
        found["dilations"] = [graph.number(1, 2), graph.number(1, 2)]
    return graph.add("AveragePool", source, **found)


@way(3)
def reduced(graph, source, shape):
    kind = graph.of("GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax")
    if kind.startswith("Global"):
        return graph.add(kind, source)
    axes = graph.of([2, 3], [-2, -1], [1], [2])
    if graph.opset >= 18:
        return graph.add(kind, source, graph.tensor(np.array(axes, np.int64)), keepdims=1)
    return graph.add(kind, source, axes=axes, keepdims=1)


@way(4)
def squeezed(graph, source, shape):
    """Squeeze and excite."""
    hidden = graph.number(1, 3)
    means = graph.add("GlobalAveragePool", source)
    less = graph.add("Relu", graph.add("Conv", means, graph.floats(hidden, shape[1], 1, 1)))
    gate = graph.add("Conv", less, graph.floats(shape[1], hidden, 1, 1))
    return graph.add("Mul", source, graph.add(graph.of("Sigmoid", "HardSigmoid"), gate))


@way(4)
def joined(graph, source, shape):
    """Two tensors of one shape."""
    others = [name for name, each in graph.shapes.items() if each == shape]
    kind = graph.of("Add", "Add", "Mul", "Sub", "Max", "Min", "Div")
    return graph.add(kind, source, graph.of(*others))


@way(3)
def shifted(graph, source, shape):
    """By a constant of some shape."""
    values = graph.floats(*graph.of((), (1,), (shape[1], 1, 1), (1, shape[1], 1, 1), (1, 1)))
    return graph.add(
        graph.of("Add", "Mul", "Sub", "Div"), *graph.of((source, values), (values, source))
    )


@way(3)
def concatenated(graph, source, shape):
    axis = graph.of(1, 1, 1, 2, 3, -3)
    at = axis % 4
    fitting = [
        name for name, each in graph.shapes.items()
        if len(each) == 4 and each[:at] + each[at + 1 :] == shape[:at] + shape[at + 1 :]
    ]  # fmt: skip
    return graph.add("Concat", source, graph.of(*fitting), axis=axis)


@way(2)
def split(graph, source, shape):
    if shape[1] < 2:
        return None
    first = graph.number(1, shape[1] - 1)
    sizes = graph.tensor(np.array([first, shape[1] - first], np.int64))
    left, right = graph.add("Split", source, sizes, axis=1, outputs=2)
    return graph.add("Concat", right, left, axis=1)


@way(2)
def sliced(graph, source, shape):
    axis = graph.number(1, 3)
    start = graph.number(0, shape[axis] - 1)
    parts = [
        [start],
        [graph.of(shape[axis], -1 if shape[axis] > 1 + start else 1 << 40)],
        [axis],
        [graph.of(1, 1, 2)],
    ]
    return graph.add("Slice", source, *(graph.tensor(np.array(each, np.int64)) for each in parts))


@way()
def gathered(graph, source, shape):
    order = graph.random.permutation(shape[1])[: graph.number(1, shape[1])]
    return graph.add("Gather", source, graph.tensor(order.astype(np.int64)), axis=1)


@way(2)
def shuffled(graph, source, shape):
    """Channels by groups, as ShuffleNet has it."""
    groups = graph.of(*[each for each in (1, 2, 3) if shape[1] % each == 0])
    sizes = [(1, groups, shape[1] // groups, *shape[2:]), shape]
    five, four = (graph.tensor(np.array(each, np.int64)) for each in sizes)
    wide = graph.add("Reshape", source, five)
    return graph.add("Reshape", graph.add("Transpose", wide, perm=[0, 2, 1, 3, 4]), four)


@way(2)
def channels_last(graph, source, shape):
    """There, something, and back."""
    moved = graph.add("Transpose", source, perm=[0, 2, 3, 1])
    what = graph.of("none", "linear", "norm", "softmax")
    if what == "linear":
        width = graph.number(1, 4)
        moved = graph.add("MatMul", moved, graph.floats(shape[1], width, scale=shape[1] ** -0.5))
        moved = graph.add("Add", moved, graph.floats(width))
    elif what == "norm" and graph.opset >= 17:
        parts = [graph.floats(shape[1]) for _ in range(2)]
        moved = graph.add("LayerNormalization", moved, *parts, axis=-1, epsilon=1e-3)
    elif what == "softmax":
        moved = graph.add("Softmax", moved, axis=-1)
    return graph.add("Transpose", moved, perm=[0, 3, 1, 2])


@way(2)
def blocks(graph, source, shape):
    if graph.chance(0.5) and shape[2] % 2 == shape[3] % 2 == 0:
        return graph.add("SpaceToDepth", source, blocksize=2)
    if shape[1] % 4:
        return None
    return graph.add("DepthToSpace", source, blocksize=2, mode=graph.of("DCR", "CRD"))


@way(3)
def resized(graph, source, shape):
    scales = graph.tensor(np.array([1, 1, graph.of(1, 2, 3), graph.of(1, 2)], np.float32))
    how = graph.of(
        {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
        {"mode": "nearest"},
        {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
        {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
    )
    return graph.add("Resize", source, "", scales, **how)


@way(3)
def padded(graph, source, shape):
    edges = [0, 0, *(graph.number(0, min(2, side - 1)) for side in shape[2:])]
    edges += [graph.of(0, 0, 1) * 0, 0, *(graph.number(0, min(2, side - 1)) for side in shape[2:])]
    mode = graph.of("constant", "constant", "constant", "reflect", "edge")
    value = [graph.tensor(np.float32(graph.of(0, 0, 0.5)))] if mode == "constant" else []
    return graph.add("Pad", source, graph.tensor(np.array(edges, np.int64)), *value, mode=mode)


@way(2)
def normalized(graph, source, shape):
    kind = graph.of("LRN", "InstanceNormalization", "GroupNormalization", "Softmax")
    if kind == "LRN":
        return graph.add("LRN", source, size=graph.of(3, 5), alpha=0.1, beta=0.75, bias=1.0)
    if kind == "Softmax":
        return graph.add("Softmax", source, axis=graph.of(1, 2, 3, -1))
    if kind == "GroupNormalization" and graph.opset >= 21:
        parts = [graph.floats(shape[1]) for _ in range(2)]
        return graph.add(kind, source, *parts, num_groups=graph.of(1, shape[1]), epsilon=1e-3)
    return graph.add("InstanceNormalization", source, *(graph.floats(shape[1]) for _ in range(2)))


@way(2)
def nothing(graph, source, shape):
    kind = graph.of("Identity", "Dropout", "Cast", "Unsqueeze")
    if kind == "Cast":
        return graph.add("Cast", source, to=1)
    if kind == "Unsqueeze":
        axis = graph.tensor(np.array([graph.of(0, 2)], np.int64))
        return graph.add("Squeeze", graph.add("Unsqueeze", source, axis), axis)
    return graph.add(kind, source)


@way(2)
def classified(graph, source, shape):
    """Means, a linear layer, and a plane of one pixel again."""
    flat = graph.add("Flatten", graph.add("GlobalAveragePool", source))
    width = graph.number(1, 5)
    if graph.chance(0.5):
        found = graph.add(
            "Gemm", flat, graph.floats(width, shape[1]), graph.floats(width), transB=1
        )
    else:
        found = graph.add("Gemm", flat, graph.floats(shape[1], width))
    sizes = graph.tensor(np.array([1, width, 1, 1], np.int64))
    return graph.add("Reshape", found, sizes)


@way()
def powers(graph, source, shape):
    kind = graph.of("Pow", "Sqrt", "Reciprocal", "Log")
    positive = graph.add("Sigmoid", source)
    if kind == "Pow":
        return graph.add("Pow", positive, graph.tensor(np.float32(graph.of(2, 0.5))))
    return graph.add(kind, positive)
