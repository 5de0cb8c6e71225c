"""check_node: whether an operator's attributes are valid and give the shape in the node."""

import math
from collections.abc import Sequence

from workloads.errors import WorkloadError
from workloads.graph import Node
from workloads.number import between, shown
from workloads.operator import ANY_NUMBER, Checked, Real, Shape

MOST = 1 << 31  # elements of one image's tensor


def check_node(node: Node, operands: Sequence[Shape]) -> None:
    """Raise an error for a node that cannot be computed from operands of these shapes (C, H, W).

    Raises
    ------
    WorkloadError
        Naming the node, the field, what it is and what is wanted.

    Examples
    --------
    >>> check_node(Node("sum", "add", ("a", "b"), (8, 4, 4)), [(8, 4, 4)])
    Traceback (most recent call last):
    workloads.errors.WorkloadError: sum: reads 1 nodes, wanted 2
    """
    fewest, most = node.operator.operands
    if not fewest <= len(operands) <= most:
        wanted = f"{fewest}" if fewest == most else f"{fewest} or more"
        raise WorkloadError(f"{node.name}: reads {len(operands)} nodes, wanted {wanted}")
    _check_attributes(node)
    found = node.operator.shape(node, operands)
    if found != node.shape:
        raise WorkloadError(f"{node.name}: shape is {node.shape}, wanted {found}")
    if min(node.shape) < 1 or math.prod(node.shape) > MOST:
        raise WorkloadError(
            f"{node.name}: shape is {node.shape}, wanted 1 or more each, {MOST} elements at most"
        )


def _check_attributes(node: Node) -> None:
    allowed = node.operator.attributes
    for field in node.attributes:
        if field not in allowed:
            words = ", ".join(allowed) or "none"
            raise WorkloadError(
                f"{node.name}: unknown attribute {shown(field)}, allowed are {words}"
            )
    for field, rule in allowed.items():
        value = node.attributes.get(field)
        if isinstance(rule, Checked):
            rule.check(node.name, value)
            continue
        if isinstance(rule, Real):
            real = type(value) in (int, float)
            if not real or not rule.least <= float(value or 0) <= rule.most:
                raise WorkloadError(
                    f"{node.name}: {field} is {shown(value)}, "
                    f"wanted a number {between(rule.least, rule.most)}"
                )
            continue
        count, least, most, default = rule
        if default is not None and field not in node.attributes:
            continue
        numbers = [value] if count == 1 else value
        if (
            not isinstance(numbers, Sequence)
            or (len(numbers) != count and count != ANY_NUMBER)
            or any(type(each) is not int or not least <= each <= most for each in numbers)
        ):
            many = {1: "an integer", ANY_NUMBER: "integers"}.get(count, f"{count} integers")
            raise WorkloadError(
                f"{node.name}: {field} is {shown(value)}, wanted {many} {least}..{most}"
            )
