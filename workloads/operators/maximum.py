"""maximum: the larger of two tensors' numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.operator import Shape
from workloads.rescaling import Pairwise

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class Maximum(Pairwise):
    """max(x, y), both brought to the scale of the output."""

    rounds_operands = True

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The larger ones of the rescaled operands."""
        found: np.ndarray = np.maximum(*self.rescaled(model, node, operands))
        return found

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The same in torch."""
        left, right = self.torch_rescaled(model, node, operands)
        return left.where(left > right, right)

    def work(
        self, model: "IntegerModel", node: "Node", operands: Sequence[Shape]
    ) -> Mapping[str, int]:
        """A rescale of each number that is read, and a comparison for each that is made."""
        counts = [math.prod(shape) for shape in operands]
        return {"rescale": self.rescales(model, node, counts), "compare": math.prod(node.shape)}

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The larger ones."""
        return operands[0].maximum(operands[1])

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """Where both may be negative."""
        return all(operands) and not self.rectifies(node)


OPERATOR = Maximum()
