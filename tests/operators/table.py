"""The case of table: functions with and without a number for each channel."""

from workloads.graph import Node

FORMULAS = (
    ["mul", "x", ["sigmoid", "x"]],
    ["tanh", "x"],
    ["sigmoid", "x"],
    ["add", ["maximum", "x", 0.0], ["mul", ["minimum", "x", 0.0], ["channel", 0]]],
    ["minimum", ["mul", "x", 0.5], 0.25],
)


def draw(random, name, source, nodes):
    formula = FORMULAS[random.integers(len(FORMULAS))]
    return (Node(name, "table", (source.name,), source.shape, attributes={"formula": formula}),)


def in_torch(parts, x):
    from torch.nn import functional

    return functional.silu(parts.conv(x)) + functional.leaky_relu(parts.other(x), 0.1)


def in_onnx(b):
    x = b.conv("image", 3, 3, 1)
    slopes = b.floats(3, 1, 1)
    return b.add("Mul", b.add("Sigmoid", b.add("PRelu", x, slopes)), x)
