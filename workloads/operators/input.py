"""input: the quantized image, the first node of every graph."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workloads.operator import Operator, Shape

if TYPE_CHECKING:
    from workloads.graph import Node


class Input(Operator):
    """Its shape is stated in the node. Its channels are never removed."""

    operands = (0, 0)
    owns_range = True

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """The shape stated in the node."""
        return node.shape

    def sources(self, node: "Node", channels: Sequence[int]) -> None:
        """None: the image has channels of its own."""
        return


OPERATOR = Input()
