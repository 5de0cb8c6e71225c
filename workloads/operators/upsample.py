"""upsample: each row and column several times (nearest neighbour)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.operator import Operator, Shape, Whole

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class Upsample(Operator):
    """``factors`` [down, across] say how often each row and each column stands in the output."""

    moves = True
    attributes: Mapping[str, Whole] = {"factors": Whole(2, 1)}

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """So many times more rows and columns."""
        channels, rows, columns = operands[0]
        down, across = node.attributes["factors"]
        return (channels, rows * down, columns * across)

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The repeated rows and columns."""
        down, across = node.attributes["factors"]
        return operands[0].repeat(down, axis=2).repeat(across, axis=3)

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """Each pixel spread over a block."""
        down, across = node.attributes["factors"]
        n, c, h, w = operands[0].shape
        spread = operands[0][:, :, :, None, :, None].expand(n, c, h, down, w, across)
        return spread.reshape(n, c, h * down, w * across)

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The repeated rows and columns."""
        down, across = node.attributes["factors"]
        return operands[0].repeat_interleave(down, dim=2).repeat_interleave(across, dim=3)


OPERATOR = Upsample()
