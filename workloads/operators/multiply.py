"""multiply: the product of two tensors; one may have one row and column, or one channel."""

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


class Multiply(Pairwise):
    """x * y, brought to the scale of the product; an axis of one element stands for all.

    So a squeeze-and-excitation gate, (C, 1, 1), weighs the channels, (C, H, W).
    """

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The rescaled products."""
        products = operands[0].astype(np.int64) * operands[1]
        return self.rescaled(model, node, [products])[0]

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The rescaled products."""
        return self.torch_rescaled(model, node, [operands[0] * operands[1]])[0]

    def work(
        self, model: "IntegerModel", node: "Node", operands: Sequence[Shape]
    ) -> Mapping[str, int]:
        """A product of two 8-bit numbers and its rescale."""
        size = math.prod(node.shape)
        return {"multiply": size, "rescale": self.rescales(model, node, [size])}

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The products."""
        return operands[0] * operands[1]

    def ratios(self, node: "Node", scales: Sequence[float], target: float) -> tuple[float, ...]:
        """Of the product."""
        return (scales[0] * scales[1] / target,)

    def zeros(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Channels of which either operand is 0."""
        found: np.ndarray = operands[0] | operands[1]
        return found


OPERATOR = Multiply()
