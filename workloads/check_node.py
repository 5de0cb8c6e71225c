"""check_node: whether an operator's attributes are legal and lead to the shape that it states."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workloads.errors import WorkloadError
from workloads.graph import Node
from workloads.number import shown

Shape = tuple[int, int, int]
MOST = 1 << 31  # elements of one image's tensor
LARGEST = 1 << 16  # of kernels, strides and padding
POOL = {"kernel": (2, 1), "stride": (2, 1), "padding": (4, 0)}  # how many numbers, the least
ATTRIBUTES: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "max_pool": POOL,
    "avg_pool": POOL,
    "slice": {"axis": (1, 1), "start": (1, 0), "stop": (1, 1), "step": (1, 1)},
    "pad": {"padding": (6, 0)},
}
OPERANDS = {"input": 0, "add": 2}


def check_node(node: Node, operands: Sequence[Shape]) -> None:
    """Refuse a node that could not be computed from operands of these shapes (C, H, W).

    Raises
    ------
    WorkloadError
        Naming the node, the field, what it is and what is wanted.

    Examples
    --------
    >>> check_node(Node("sum", "add", ("a", "b"), (8, 4, 4)), [(8, 4, 4), (8, 2, 2)])
    Traceback (most recent call last):
    workloads.errors.WorkloadError: sum: operands of shapes (8, 4, 4), (8, 2, 2), wanted equal ones
    """
    wanted = OPERANDS.get(node.op, 1)
    if len(operands) != wanted and not (node.op == "concat" and operands):
        raise WorkloadError(f"{node.name}: reads {len(operands)} nodes, wanted {wanted}")
    _check_attributes(node)
    if node.op not in ("input", "conv"):
        found = _SHAPES[node.op](node, operands)
        if found != node.shape:
            raise WorkloadError(f"{node.name}: shape is {node.shape}, wanted {found}")
    if min(node.shape) < 1 or math.prod(node.shape) > MOST:
        raise WorkloadError(
            f"{node.name}: shape is {node.shape}, wanted 1 or more each, {MOST} elements at most"
        )


def _check_attributes(node: Node) -> None:
    allowed = ATTRIBUTES.get(node.op, {})
    for field in node.attributes:
        if field not in allowed:
            words = ", ".join(allowed) or "none"
            raise WorkloadError(
                f"{node.name}: unknown attribute {shown(field)}, allowed are {words}"
            )
    for field, (count, least) in allowed.items():
        value = node.attributes.get(field)
        numbers = [value] if count == 1 else value
        if (
            not isinstance(numbers, Sequence)
            or len(numbers) != count
            or any(type(each) is not int or not least <= each <= LARGEST for each in numbers)
        ):
            many = "an integer" if count == 1 else f"{count} integers"
            raise WorkloadError(
                f"{node.name}: {field} is {shown(value)}, wanted {many} {least}..{LARGEST}"
            )


def _same(node: Node, operands: Sequence[Shape]) -> Shape:
    if len(set(operands)) > 1:
        told = ", ".join(map(str, operands))
        raise WorkloadError(f"{node.name}: operands of shapes {told}, wanted equal ones")
    return operands[0]


def _concat(node: Node, operands: Sequence[Shape]) -> Shape:
    planes = {shape[1:] for shape in operands}
    if len(planes) > 1:
        told = ", ".join(map(str, operands))
        raise WorkloadError(f"{node.name}: operands of shapes {told}, wanted equal planes")
    return (sum(shape[0] for shape in operands), *operands[0][1:])


def _pool(node: Node, operands: Sequence[Shape]) -> Shape:
    kernel, stride, padding = (node.attributes[name] for name in POOL)
    sizes = []
    for axis in (0, 1):
        before, after = padding[2 * axis : 2 * axis + 2]
        if max(before, after) >= kernel[axis]:
            raise WorkloadError(
                f"{node.name}: padding is {padding}, wanted less than the kernel, {kernel}"
            )
        room = operands[0][1 + axis] + before + after - kernel[axis]
        if room < 0:
            raise WorkloadError(
                f"{node.name}: kernel is {kernel}, the padded input is smaller: {operands[0]}"
            )
        sizes.append(room // stride[axis] + 1)
    return (operands[0][0], sizes[0], sizes[1])


def _slice(node: Node, operands: Sequence[Shape]) -> Shape:
    axis, start, stop, step = (node.attributes[name] for name in ATTRIBUTES["slice"])
    shape = list(operands[0])
    if axis > len(shape) or not start < stop <= shape[axis - 1]:
        raise WorkloadError(
            f"{node.name}: takes {start}..{stop} of axis {axis}, its operand is {operands[0]}"
        )
    shape[axis - 1] = len(range(start, stop, step))
    return (shape[0], shape[1], shape[2])


def _pad(node: Node, operands: Sequence[Shape]) -> Shape:
    edges = node.attributes["padding"]
    c, h, w = (size + sum(edges[2 * axis : 2 * axis + 2]) for axis, size in enumerate(operands[0]))
    return (c, h, w)


def _flatten(node: Node, operands: Sequence[Shape]) -> Shape:
    return (math.prod(operands[0]), 1, 1)


_SHAPES: Mapping[str, Callable[[Node, Sequence[Shape]], Any]] = {
    "add": _same,
    "concat": _concat,
    "relu": _same,
    "max_pool": _pool,
    "avg_pool": _pool,
    "slice": _slice,
    "pad": _pad,
    "flatten": _flatten,
}
