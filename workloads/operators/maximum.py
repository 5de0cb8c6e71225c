"""maximum: the larger of two tensors' numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.extreme import Extreme

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node


class Maximum(Extreme):
    """max(x, y), both brought to the scale of the output."""

    of = np.maximum

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The larger ones."""
        return operands[0].maximum(operands[1])

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """Where both may be negative."""
        return all(operands) and not self.rectifies(node)


OPERATOR = Maximum()
