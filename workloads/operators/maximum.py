"""maximum: the larger of two tensors' numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

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

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The larger ones."""
        return operands[0].maximum(operands[1])

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """Where both may be negative."""
        return all(operands) and not self.rectifies(node)


OPERATOR = Maximum()
