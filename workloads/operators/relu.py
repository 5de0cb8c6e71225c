"""relu: a ReLU, with or without a maximum, that is not fused into the operator before it."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.operator import Operator, Shape

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class Relu(Operator):
    """max(x, 0). In integers it is a clamp to the bounds; the scale is the operand's."""

    stores = ("bounds",)

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """The shape of the operand."""
        return operands[0]

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The operand; the bounds clamp it afterwards."""
        return operands[0]

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The operand; the bounds clamp it afterwards."""
        return operands[0]

    def work(
        self, model: "IntegerModel", node: "Node", operands: Sequence[Shape]
    ) -> Mapping[str, int]:
        """A comparison for each number, and another where there is a maximum."""
        return {"compare": math.prod(node.shape) * (1 if node.maximum is None else 2)}

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The operand; the activation function is applied afterwards."""
        return operands[0]

    def rectifies(self, node: "Node") -> bool:
        """Always."""
        return True


OPERATOR = Relu()
