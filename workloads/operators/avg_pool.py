"""avg_pool: the mean of each window, or of the whole plane."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.errors import WorkloadError
from workloads.operator import Shape
from workloads.pooling import Pooling, dilation_of
from workloads.requantize import multiply_shift
from workloads.rescaling import Rescaling

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class AvgPool(Pooling, Rescaling):
    """A window's sum, divided by the size of the kernel, padded zeros included; or, where they are
    given, by ``rows``[p] * ``columns``[q] for the window in row p and column q: fewer numbers count
    at the edges.  There is a rescale for each divisor, the smallest first.
    """

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """As many rows and columns as windows fit, and as divisors are given."""
        shape = super().shape(node, operands)
        given = (len(node.attributes.get("rows", ())), len(node.attributes.get("columns", ())))
        if given not in ((0, 0), shape[1:]):
            raise WorkloadError(
                f"{node.name}: {given[0]} rows and {given[1]} columns of divisors, "
                f"wanted {shape[1]} and {shape[2]}"
            )
        return shape

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The rescaled sum of each window."""
        sums = self.windows(node, operands[0], 0).sum(axis=(4, 5))
        divisors = _divisors(node)
        found = np.empty(sums.shape, np.int64)
        for divisor, rescale in zip(np.unique(divisors), model.rescales[node.name], strict=True):
            at = np.broadcast_to(divisors == divisor, sums.shape[2:])
            found[..., at] = multiply_shift(sums[..., at], rescale.multiplier, rescale.shift)
        return found

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The rescaled sum of each window: all rescales of all sums, of which one is taken."""
        import torch

        sums = self.torch_windows(node, operands[0], 0.0).sum(dim=4).long()
        divisors = torch.from_numpy(_divisors(node)).to(sums.device)
        each = self.torch_rescaled(model, node, [sums] * len(model.rescales[node.name]))
        found = each[0]
        for divisor, other in zip(divisors.unique(), each, strict=True):
            found = torch.where(divisors == divisor, other, found)
        return found

    def work(
        self, model: "IntegerModel", node: "Node", operands: Sequence[Shape]
    ) -> Mapping[str, int]:
        """An addition for each number of a window but the first, and a rescale of the sum."""
        channels, rows, columns = node.shape
        every = np.broadcast_to(_divisors(node), (rows, columns))
        counts = channels * np.unique(every, return_counts=True)[1]
        return {
            "add": channels * (self.taken(node) - rows * columns),
            "rescale": self.rescales(model, node, counts.tolist()),
        }

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The mean of each window."""
        import torch
        from torch.nn import functional

        values, kernel = operands[0], tuple(node.attributes["kernel"])
        padded, stride = self.padded(node, values, 0.0), tuple(node.attributes["stride"])
        divisors = _divisors(node)
        has_gaps = dilation_of(node) != (1, 1) or "tops" in node.attributes
        if not has_gaps and divisors.size == 1:
            return functional.avg_pool2d(padded, kernel, stride)
        if has_gaps:
            sums = self.torch_windows(node, values, 0.0).sum(dim=4).to(values.dtype)
        else:
            sums = functional.avg_pool2d(padded, kernel, stride, divisor_override=1)
        return sums / torch.from_numpy(divisors).to(values.device, values.dtype)

    def ratios(self, node: "Node", scales: Sequence[float], target: float) -> tuple[float, ...]:
        """Of the sum of a window, which is divided by its divisor on the way."""
        divisors = np.unique(_divisors(node)).tolist()
        return tuple(scales[0] * (1.0 / divisor) / target for divisor in divisors)


def _divisors(node: "Node") -> np.ndarray:
    """What each window's sum is divided by, int64 (P, Q) or (1, 1) where it is one number."""
    rows = node.attributes.get("rows") or [node.attributes["kernel"][0]]
    columns = node.attributes.get("columns") or [node.attributes["kernel"][1]]
    return np.outer(np.array(rows, np.int64), np.array(columns, np.int64))


OPERATOR = AvgPool()
