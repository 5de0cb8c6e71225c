"""decomposed: norms that an exporter, or a module, spells as means, squares, roots and powers."""

from collections.abc import Callable
from typing import Any

from torch import fx

Find = Callable[[fx.Node], tuple[Any, ...] | None]
SHAPES = ("reshape", "squeeze", "unsqueeze", "view", "_unsafe_view")


def normalized(values: Any, axes: list[int], epsilon: Any) -> Any:
    """What stands in an exported graph for a norm that was found; it is never run."""
    raise NotImplementedError


def local_normed(values: Any, around: tuple[int, int], alpha: Any, beta: Any, bias: Any) -> Any:
    """What stands for a norm over neighbour channels, so many before and behind; never run."""
    raise NotImplementedError


def responses(values: Any, axes: list[int], epsilon: Any) -> Any:
    """What stands for the gates of a global response norm; never run."""
    raise NotImplementedError


def restore_norms(graph: fx.Graph) -> None:
    """Replace them by one operator each.

    (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon), and AlexNet's x / (k + alpha
    mean(x^2))^beta over neighbour channels, and ConvNeXt V2's |x| / (mean(|x|) + epsilon) over
    planes.
    """
    kinds: tuple[tuple[Any, Find], ...] = (
        (normalized, _norm),
        (local_normed, _local_norm),
        (responses, _responses),
    )
    for node in graph.nodes:
        for target, find in kinds:
            found = find(node)
            if found is not None:
                node.target, node.args, node.kwargs = target, found, {}
                break


def _responses(node: Any) -> tuple[Any, ...] | None:
    """The tensor, the axes of its planes and the epsilon of gates that end in a node."""
    sizes, total = _operands(node)
    if aten_name(node) != "div" or aten_name(sizes) != "linalg_vector_norm":
        return None
    values, order, axes, keeps = (*sizes.args, *(None,) * 4)[:4]
    rank = len(values.meta["val"].shape)
    planes = sorted(axis % rank for axis in axes or ())
    if rank != 4 or order != 2 or len(planes) != 2 or 0 in planes or not keeps:
        return None
    (channels,) = {1, 2, 3}.difference(planes)
    for mean, epsilon in _either(total, "add"):
        over = mean.args[1] if aten_name(mean) == "mean" and len(mean.args) > 2 else []
        if (
            over
            and mean.args[0] is sizes
            and mean.args[2]
            and [a % rank for a in over] == [channels]
        ):
            return values, planes, epsilon
    return None


def _local_norm(node: fx.Node) -> tuple[Any, ...] | None:
    """The tensor, the channels around each, alpha, beta and bias of a norm that ends in a node."""
    values, power = _operands(node)
    if aten_name(node) != "div" or aten_name(power) != "pow":
        return None
    total, beta = _operands(power)
    for scaled, bias in _either(total, "add"):
        for mean, alpha in _either(scaled, "mul"):
            pool = _unshaped(mean)
            pad: Any = _unshaped(pool.args[0]) if aten_name(pool) == "avg_pool3d" else None
            if aten_name(pad) not in ("pad", "constant_pad_nd") or not _is_along_channels(
                pool, pad
            ):
                continue
            square = _unshaped(pad.args[0])
            before, behind = pad.args[1][4:6]
            same = aten_name(square) == "mul" and _operands(square) == (values, values)
            same |= aten_name(square) == "pow" and _operands(square) == (values, 2)
            if same and pool.args[1][0] == before + behind + 1:
                return values, (before, behind), alpha, beta, bias
    return None


def _is_along_channels(pool: Any, pad: Any) -> bool:
    """Whether a mean is over channels, one by one, which alone are padded."""
    kernel, *others = pool.args[1:]
    strides = others[0] if others else kernel
    edges = pad.args[1]
    along = list(kernel[1:]) == [1, 1] and list(strides) == [1, 1, 1] and len(others) < 2
    zeros = len(pad.args) < 4 or pad.args[3] in (None, 0)
    return along and zeros and len(edges) >= 6 and not any((*edges[:4], *edges[6:]))


def _either(node: Any, name: str) -> list[tuple[Any, Any]]:
    """The operands of an operator in both orders; none where it is another."""
    left, right = _operands(node) if aten_name(node) == name else (None, None)
    return [] if left is None else [(left, right), (right, left)]


def _unshaped(node: Any) -> Any:
    """The node whose numbers only stand on other axes."""
    while aten_name(node) in SHAPES:
        node = node.args[0]
    return node


def _norm(node: fx.Node) -> tuple[fx.Node, list[int], Any] | None:
    """The tensor, the axes and the epsilon of a norm that ends in ``node``."""
    if aten_name(node) == "div":
        centred, deviation = _operands(node)
        if aten_name(deviation) != "sqrt":
            return None
        shifted = deviation.args[0]
    elif aten_name(node) == "mul":
        centred, inverse = _operands(node)
        if aten_name(inverse) != "rsqrt":
            return None
        shifted = inverse.args[0]
    else:
        return None
    values, axes = _centred(centred)
    if values is None or aten_name(shifted) != "add":
        return None
    variance, epsilon = _operands(shifted)
    if not _is_mean(variance, axes) or not _is_square(variance.args[0], values, axes):
        return None
    return values, axes, epsilon


def aten_name(node: Any) -> str:
    """The ATen name of a node's operator; empty for what is none."""
    target = getattr(node, "target", None)
    schema = getattr(target, "_schema", None)
    return schema.name.removeprefix("aten::") if schema is not None else ""


def _operands(node: Any) -> tuple[Any, Any]:
    arguments: Any = getattr(node, "args", ())
    return (arguments[0], arguments[1]) if len(arguments) > 1 else (None, None)


def _is_mean(node: Any, axes: list[int]) -> bool:
    return aten_name(node) == "mean" and len(node.args) > 1 and list(node.args[1]) == axes


def _centred(node: Any) -> tuple[Any, list[int]]:
    """The tensor that a node shifts by its mean over axes, and these."""
    if aten_name(node) == "sub":
        values, mean = _operands(node)
        if (
            aten_name(mean) == "mean"
            and len(mean.args) > 2
            and mean.args[0] is values
            and mean.args[2]
        ):
            return values, list(mean.args[1])
    return None, []


def _is_square(node: Any, values: fx.Node, axes: list[int]) -> bool:
    """Whether a node squares the shifted tensor."""
    if aten_name(node) == "pow":
        base, exponent = _operands(node)
        return exponent == 2 and _centred(base) == (values, axes)
    if aten_name(node) == "mul":
        left, right = _operands(node)
        return _centred(left) == _centred(right) == (values, axes)
    return aten_name(node) == "square" and _centred(node.args[0]) == (values, axes)
