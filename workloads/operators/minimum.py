"""minimum: the smaller of two tensors' numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.extreme import Extreme

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node


class Minimum(Extreme):
    """min(x, y), both brought to the scale of the output."""

    of = np.minimum

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The smaller ones."""
        return operands[0].minimum(operands[1])


OPERATOR = Minimum()
