"""Pooling: operators that make one number from each window of a plane."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.errors import WorkloadError
from workloads.operator import Operator, Shape, Whole

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node


class Pooling(Operator):
    """The common part: attributes in elements. Windows that do not fit the plane are left out."""

    attributes: Mapping[str, Whole] = {
        "kernel": Whole(2, 1),
        "stride": Whole(2, 1),
        "padding": Whole(4, 0),
        "dilation": Whole(2, 1, default=(1, 1)),
    }

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """As many rows and columns as windows fit."""
        kernel, stride, padding = (node.attributes[k] for k in ("kernel", "stride", "padding"))
        reach = [
            (size - 1) * step + 1 for size, step in zip(kernel, dilation_of(node), strict=True)
        ]
        sizes = []
        for axis in (0, 1):
            before, after = padding[2 * axis : 2 * axis + 2]
            if max(before, after) >= reach[axis]:
                raise WorkloadError(
                    f"{node.name}: padding is {padding}, wanted less than the kernel, {reach}"
                )
            room = operands[0][1 + axis] + before + after - reach[axis]
            if room < 0:
                raise WorkloadError(
                    f"{node.name}: kernel is {kernel}, the padded input is smaller: {operands[0]}"
                )
            sizes.append(room // stride[axis] + 1)
        return (operands[0][0], sizes[0], sizes[1])

    def windows(self, node: "Node", values: np.ndarray, fill: int) -> np.ndarray:
        """The windows, shape (N, C, P, Q, h, w), in int64; positions outside hold ``fill``."""
        top, bottom, left, right = node.attributes["padding"]
        down, across = node.attributes["stride"]
        edges = ((0, 0), (0, 0), (top, bottom), (left, right))
        padded = np.pad(values.astype(np.int64), edges, constant_values=fill)
        kernel, (skip, over) = node.attributes["kernel"], dilation_of(node)
        reach = ((kernel[0] - 1) * skip + 1, (kernel[1] - 1) * over + 1)
        windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(2, 3))
        return windows[:, :, ::down, ::across, ::skip, ::over]

    def torch_windows(self, node: "Node", values: "torch.Tensor", fill: float) -> "torch.Tensor":
        """The windows in torch, float64 of shape (N, C, P, Q, h * w)."""
        from torch.nn import functional

        padded = self.padded(node, values.double(), fill)
        n, c, h, w = padded.shape
        columns = functional.unfold(
            padded.reshape(n * c, 1, h, w),
            tuple(node.attributes["kernel"]),
            dilation=dilation_of(node),
            stride=tuple(node.attributes["stride"]),
        )
        return columns.reshape(n, c, -1, *node.shape[1:]).permute(0, 1, 3, 4, 2)

    def padded(self, node: "Node", values: "torch.Tensor", fill: float) -> "torch.Tensor":
        """The planes with their padding, which holds ``fill``."""
        from torch.nn import functional

        top, bottom, left, right = node.attributes["padding"]
        if not (top or bottom or left or right):
            return values
        return functional.pad(values, (left, right, top, bottom), value=fill)


def dilation_of(node: "Node") -> tuple[int, int]:
    """Rows and columns from one element of a window to the next."""
    down, across = node.attributes.get("dilation", (1, 1))
    return down, across
