"""softmax: the share of each number's exponential, inside a network."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.host import Host
from workloads.operator import Shape, Whole

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node


class Softmax(Host):
    """exp(x) over the sum of exp on ``axis`` 1, 2 or 3 of (N, C, H, W)."""

    attributes: Mapping[str, Whole] = {"axis": Whole(1, 1, 3)}

    def compute(self, node: "Node", operands: Sequence[np.ndarray]) -> np.ndarray:
        """The shares."""
        axis = node.attributes["axis"]
        raised = np.exp(operands[0] - operands[0].max(axis=axis, keepdims=True))
        found: np.ndarray = raised / raised.sum(axis=axis, keepdims=True)
        return found

    def operations(self, node: "Node", operands: Sequence[Shape]) -> int:
        """Of n numbers: n - 1 comparisons and additions, n differences, powers and divisions."""
        size, count = math.prod(operands[0]), operands[0][node.attributes["axis"] - 1]
        return size // count * (5 * count - 2)

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The shares."""
        return operands[0].softmax(node.attributes["axis"])

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """Never."""
        return False


OPERATOR = Softmax()
