"""interpolate: rows and columns between rows and columns (bilinear resizing)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.host import Host
from workloads.operator import Shape, Whole

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node


class Interpolate(Host):
    """Bilinear, to ``size`` [rows, columns].

    With ``corners`` 1 the outer pixels' middles stay where they are; with 0 the planes' edges do.
    """

    attributes: Mapping[str, Whole] = {"size": Whole(2, 1), "corners": Whole(1, 0, 1)}

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """The channels of the operand, and the size."""
        rows, columns = node.attributes["size"]
        return (operands[0][0], rows, columns)

    def compute(self, node: "Node", operands: Sequence[np.ndarray]) -> np.ndarray:
        """Weighted rows, then weighted columns."""
        down, across = (
            _weights(before, after, bool(node.attributes["corners"]))
            for before, after in zip(operands[0].shape[2:], node.attributes["size"], strict=True)
        )
        found: np.ndarray = down @ operands[0] @ across.T
        return found

    def operations(self, node: "Node", operands: Sequence[Shape]) -> int:
        """Two products and an addition for each number of the new rows, then of the columns."""
        channels, rows, columns = node.shape
        return 3 * channels * rows * (operands[0][2] + columns)

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The same in torch."""
        from torch.nn import functional

        size, corners = node.attributes["size"], bool(node.attributes["corners"])
        return functional.interpolate(operands[0], size, mode="bilinear", align_corners=corners)

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """Where the operand is: weights are not negative."""
        return operands[0] and not self.rectifies(node)


def _weights(before: int, after: int, corners: bool) -> np.ndarray:
    """How much each row or column counts in each new one, float64 (after, before)."""
    place = np.arange(after, dtype=np.float64)
    if corners:
        source = place * ((before - 1) / max(after - 1, 1))
    else:
        source = np.maximum((place + 0.5) * (before / after) - 0.5, 0.0)
    first = np.minimum(source.astype(np.int64), before - 1)
    second = np.minimum(first + 1, before - 1)
    share = source - first
    found = np.zeros((after, before))
    np.add.at(found, (np.arange(after), first), 1.0 - share)
    np.add.at(found, (np.arange(after), second), share)
    return found


OPERATOR = Interpolate()
