"""gather: channels in another order, such as shuffled ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from workloads.errors import WorkloadError
from workloads.operator import ANY_NUMBER, Operator, Shape, Whole

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class Gather(Operator):
    """Output channel i is channel ``channels``[i] of the operand."""

    moves = True
    attributes: Mapping[str, Whole] = {"channels": Whole(ANY_NUMBER, 0)}

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """As many channels as are picked."""
        channels = node.attributes["channels"]
        if max(channels, default=0) >= operands[0][0]:
            raise WorkloadError(
                f"{node.name}: picks channel {max(channels)}, its operand has {operands[0][0]}"
            )
        return (len(channels), *operands[0][1:])

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The picked channels."""
        return operands[0][:, node.attributes["channels"]]

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The picked channels."""
        return self.floats(node, operands)

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The picked channels."""
        import torch

        channels = torch.tensor(node.attributes["channels"], device=operands[0].device)
        return operands[0].index_select(1, channels)

    def sources(self, node: "Node", channels: Sequence[int]) -> np.ndarray:
        """The picked channels."""
        return np.array(node.attributes["channels"])[:, None]

    def smaller(self, node: "Node", operands: Sequence[np.ndarray], kept: np.ndarray) -> "Node":
        """The places of those that are left."""
        places = np.cumsum(operands[0]) - 1
        channels = places[np.array(node.attributes["channels"])[kept]].tolist()
        shape = (len(channels), *node.shape[1:])
        return replace(node, shape=shape, attributes={"channels": channels})


OPERATOR = Gather()
