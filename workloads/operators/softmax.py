"""softmax: the share of each number's exponential, inside a network."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.host import Host
from workloads.operator import Whole

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

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The shares."""
        return operands[0].softmax(node.attributes["axis"])

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """Never."""
        return False


OPERATOR = Softmax()
