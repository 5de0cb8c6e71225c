"""max_pool: the largest number of each window."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.errors import WorkloadError
from workloads.operator import Shape
from workloads.pooling import Pooling, dilation_of

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class MaxPool(Pooling):
    """The largest number of each window; padding never wins, a window of padding is refused."""

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """As of any pooling; sizes of single windows need to know where these begin."""
        alone = [each for each in ("rows", "columns") if each in node.attributes]
        if alone and "tops" not in node.attributes:
            raise WorkloadError(f"{node.name}: {alone[0]} without tops and lefts")
        return super().shape(node, operands)

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The maximum of each window."""
        below_all = int(np.iinfo(operands[0].dtype).min) - 1
        pooled: np.ndarray = self.windows(node, operands[0], below_all).max(axis=(4, 5))
        if pooled.size and pooled.min() == below_all:
            raise _only_padding(node)
        return pooled

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The maximum of each window."""
        peaks = self.torch_windows(node, operands[0], float("-inf")).amax(dim=4)
        if peaks.numel() and bool(peaks.isinf().any()):
            raise _only_padding(node)
        return peaks.long()

    def work(
        self, model: "IntegerModel", node: "Node", operands: Sequence[Shape]
    ) -> Mapping[str, int]:
        """A comparison for each number of a window but the first."""
        channels, rows, columns = node.shape
        return {"compare": channels * (self.taken(node) - rows * columns)}

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The maximum of each window."""
        from torch.nn import functional

        if "tops" in node.attributes:
            peaks = self.torch_windows(node, operands[0], float("-inf")).amax(dim=4)
            return peaks.to(operands[0].dtype)
        kernel, stride = node.attributes["kernel"], node.attributes["stride"]
        padded = self.padded(node, operands[0], float("-inf"))
        return functional.max_pool2d(
            padded, tuple(kernel), tuple(stride), dilation=dilation_of(node)
        )


def _only_padding(node: "Node") -> WorkloadError:
    return WorkloadError(f"{node.name}: a pooling window holds nothing but padding")


OPERATOR = MaxPool()
