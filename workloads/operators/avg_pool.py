"""avg_pool: the mean of each window, or of the whole plane."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.pooling import Pooling
from workloads.rescaling import Rescaling

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class AvgPool(Pooling, Rescaling):
    """``kernel`` and ``stride`` are [down, across], ``padding`` is [top, bottom, left, right].

    Padded zeros count.  The one rescale acts on the sum of a window.
    """

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The rescaled sum of each window."""
        sums = self.windows(node, operands[0], 0).sum(axis=(4, 5))
        return self.rescaled(model, node, [sums])[0]

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The rescaled sum of each window."""
        sums = self.torch_windows(node, operands[0], 0.0).sum(dim=4).long()
        return self.torch_rescaled(model, node, [sums])[0]

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The mean of each window."""
        from torch.nn import functional

        kernel, stride = node.attributes["kernel"], node.attributes["stride"]
        padded = self.padded(node, operands[0], 0.0)
        return functional.avg_pool2d(padded, tuple(kernel), tuple(stride))

    def ratios(self, node: "Node", scales: Sequence[float], target: float) -> tuple[float, ...]:
        """The factor for the sum of a window; it includes the division by its size."""
        height, width = node.attributes["kernel"]
        return (scales[0] * (1.0 / (height * width)) / target,)


OPERATOR = AvgPool()
