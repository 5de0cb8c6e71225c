"""concat: tensors of equal height and width, joined by channel."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.errors import WorkloadError
from workloads.operator import ANY_NUMBER, Shape
from workloads.rescaling import Rescaling

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class Concat(Rescaling):
    """The operands' channels in order, each brought to one scale."""

    operands = (1, ANY_NUMBER)
    rounds_operands = True
    moves = True

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """The channels add up."""
        if len({shape[1:] for shape in operands}) > 1:
            told = ", ".join(map(str, operands))
            raise WorkloadError(f"{node.name}: operands of shapes {told}, wanted equal planes")
        return (sum(shape[0] for shape in operands), *operands[0][1:])

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The rescaled operands."""
        return np.concatenate(self.rescaled(model, node, operands), axis=1)

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The rescaled operands."""
        import torch

        return torch.cat(self.torch_rescaled(model, node, operands), dim=1)

    def work(
        self, model: "IntegerModel", node: "Node", operands: Sequence[Shape]
    ) -> Mapping[str, int]:
        """A rescale of each number whose scale is another."""
        return {"rescale": self.rescales(model, node, [math.prod(shape) for shape in operands])}

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The operands side by side."""
        import torch

        return torch.cat(list(operands), dim=1)

    def sources(self, node: "Node", channels: Sequence[int]) -> np.ndarray:
        """All channels in their order."""
        return np.arange(sum(channels))[:, None]


OPERATOR = Concat()
