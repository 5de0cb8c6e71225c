"""add: the sum of two tensors of one shape."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.errors import WorkloadError
from workloads.operator import Shape
from workloads.rescaling import Rescaling

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class Add(Rescaling):
    """x + y, after each is brought to the scale of the sum."""

    operands = (2, 2)
    rounds_operands = True
    adds = True

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """The shape of both operands."""
        if len(set(operands)) > 1:
            told = ", ".join(map(str, operands))
            raise WorkloadError(f"{node.name}: operands of shapes {told}, wanted equal ones")
        return operands[0]

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The sum of the rescaled operands."""
        left, right = self.rescaled(model, node, operands)
        return left + right

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The sum of the rescaled operands."""
        left, right = self.torch_rescaled(model, node, operands)
        return left + right

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The sum."""
        return operands[0] + operands[1]

    def sources(self, node: "Node", channels: Sequence[int]) -> np.ndarray:
        """Channel c of both operands; it is laid out as the first operand."""
        return np.arange(2 * channels[0]).reshape(2, -1).T


OPERATOR = Add()
