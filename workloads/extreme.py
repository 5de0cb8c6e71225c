"""Extreme: the larger or the smaller of two tensors' numbers, both at the scale of the output."""

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


class Extreme(Pairwise):
    """A subclass says in ``floats`` which of two tensors' numbers it takes, and in ``of``."""

    rounds_operands = True
    of: np.ufunc

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Of the rescaled operands."""
        left, right = self.rescaled(model, node, operands)
        found: np.ndarray = self.of(left, right)
        return found

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The same in torch."""
        return self.floats(node, self.torch_rescaled(model, node, operands))

    def work(
        self, model: "IntegerModel", node: "Node", operands: Sequence[Shape]
    ) -> Mapping[str, int]:
        """A rescale of each number that is read, and a comparison for each that is made."""
        counts = [math.prod(shape) for shape in operands]
        return {"rescale": self.rescales(model, node, counts), "compare": math.prod(node.shape)}
