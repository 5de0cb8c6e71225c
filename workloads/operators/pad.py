"""pad: zeros around channels, rows and columns."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from workloads.operator import Operator, Shape, Whole

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class Pad(Operator):
    """``padding`` is [channels before, channels behind, top, bottom, left, right], in elements."""

    moves = True
    attributes: Mapping[str, Whole] = {"padding": Whole(6, 0)}
    runs_early = True

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """The operand's shape plus the padding of each axis."""
        edges = node.attributes["padding"]
        c, h, w = (
            size + sum(edges[2 * axis : 2 * axis + 2]) for axis, size in enumerate(operands[0])
        )
        return (c, h, w)

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The operand surrounded by zeros."""
        before, after, top, bottom, left, right = node.attributes["padding"]
        return np.pad(operands[0], ((0, 0), (before, after), (top, bottom), (left, right)))

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The operand surrounded by zeros."""
        return self.floats(node, operands)

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The operand surrounded by zeros."""
        from torch.nn import functional

        before, after, top, bottom, left, right = node.attributes["padding"]
        return functional.pad(operands[0], (left, right, top, bottom, before, after))

    def sources(self, node: "Node", channels: Sequence[int]) -> np.ndarray:
        """The operand's channels, between channels of zeros."""
        before, after = node.attributes["padding"][:2]
        return np.pad(np.arange(channels[0]), (before, after), constant_values=-1)[:, None]

    def smaller(self, node: "Node", operands: Sequence[np.ndarray], kept: np.ndarray) -> "Node":
        """The padded channels of zeros are kept or removed with what they are added to."""
        first, last, *edges = node.attributes["padding"]
        last = int(kept[kept.size - last :].sum()) if last else 0
        padding = [int(kept[:first].sum()), last, *edges]
        shape = (int(kept.sum()), *node.shape[1:])
        return replace(node, shape=shape, attributes={**node.attributes, "padding": padding})


OPERATOR = Pad()
