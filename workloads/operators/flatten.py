"""flatten: all numbers of an image as channels of one pixel."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.operator import Operator, Shape

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class Flatten(Operator):
    """(C, H, W) to (C*H*W, 1, 1), in C order."""

    moves = True

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """As many channels as the operand has numbers."""
        return (math.prod(operands[0]), 1, 1)

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The operand's numbers in their order."""
        return operands[0].reshape(operands[0].shape[0], -1, 1, 1)

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The operand's numbers in their order."""
        return operands[0].flatten(1)[:, :, None, None]

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The operand's numbers in their order."""
        return operands[0].flatten(1)[:, :, None, None]

    def sources(self, node: "Node", channels: Sequence[int]) -> np.ndarray:
        """Each channel, repeated for each of its pixels."""
        return np.repeat(np.arange(channels[0]), node.shape[0] // channels[0])[:, None]


OPERATOR = Flatten()
