"""decomposed: norms that an exporter, or a module, spells as means, squares and a root."""

from typing import Any

from torch import fx


def normalized(values: Any, axes: list[int], epsilon: Any) -> Any:
    """What stands in an exported graph for a norm that was found; it is never run."""
    raise NotImplementedError


def restore_norms(graph: fx.Graph) -> None:
    """Replace (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) by one operator."""
    for node in graph.nodes:
        found = _norm(node)
        if found is not None:
            node.target, node.args, node.kwargs = normalized, found, {}


def _norm(node: fx.Node) -> tuple[fx.Node, list[int], Any] | None:
    """The tensor, the axes and the epsilon of a norm that ends in ``node``."""
    if _name(node) == "div":
        centred, deviation = _operands(node)
        if _name(deviation) != "sqrt":
            return None
        shifted = deviation.args[0]
    elif _name(node) == "mul":
        centred, inverse = _operands(node)
        if _name(inverse) != "rsqrt":
            return None
        shifted = inverse.args[0]
    else:
        return None
    values, axes = _centred(centred)
    if values is None or _name(shifted) != "add":
        return None
    variance, epsilon = _operands(shifted)
    if not _is_mean(variance, axes) or not _is_square(variance.args[0], values, axes):
        return None
    return values, axes, epsilon


def _name(node: Any) -> str:
    target = getattr(node, "target", None)
    schema = getattr(target, "_schema", None)
    return schema.name.removeprefix("aten::") if schema is not None else ""


def _operands(node: fx.Node) -> tuple[Any, Any]:
    return (node.args[0], node.args[1]) if len(node.args) > 1 else (None, None)


def _is_mean(node: Any, axes: list[int]) -> bool:
    return _name(node) == "mean" and len(node.args) > 1 and list(node.args[1]) == axes


def _centred(node: Any) -> tuple[Any, list[int]]:
    """The tensor that a node shifts by its mean over axes, and these."""
    if _name(node) == "sub":
        values, mean = _operands(node)
        if _name(mean) == "mean" and len(mean.args) > 2 and mean.args[0] is values and mean.args[2]:
            return values, list(mean.args[1])
    return None, []


def _is_square(node: Any, values: fx.Node, axes: list[int]) -> bool:
    """Whether a node squares the shifted tensor."""
    if _name(node) == "pow":
        base, exponent = _operands(node)
        return exponent == 2 and _centred(base) == (values, axes)
    if _name(node) == "mul":
        left, right = _operands(node)
        return _centred(left) == _centred(right) == (values, axes)
    return _name(node) == "square" and _centred(node.args[0]) == (values, axes)
