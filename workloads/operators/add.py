"""add: the sum of two tensors; one may have one row and column, or one channel."""

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


class Add(Pairwise):
    """x + y, after each is brought to the scale of the sum."""

    rounds_operands = True
    adds = True

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

    def work(
        self, model: "IntegerModel", node: "Node", operands: Sequence[Shape]
    ) -> Mapping[str, int]:
        """A rescale of each number that is read, and an addition for each that is made."""
        counts = [math.prod(shape) for shape in operands]
        return {"rescale": self.rescales(model, node, counts), "add": math.prod(node.shape)}

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The sum."""
        return operands[0] + operands[1]


OPERATOR = Add()
