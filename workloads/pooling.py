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
    }

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """As many rows and columns as windows fit."""
        kernel, stride, padding = (node.attributes[name] for name in self.attributes)
        sizes = []
        for axis in (0, 1):
            before, after = padding[2 * axis : 2 * axis + 2]
            if max(before, after) >= kernel[axis]:
                raise WorkloadError(
                    f"{node.name}: padding is {padding}, wanted less than the kernel, {kernel}"
                )
            room = operands[0][1 + axis] + before + after - kernel[axis]
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
        kernel = tuple(node.attributes["kernel"])
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))
        return windows[:, :, ::down, ::across]

    def torch_windows(self, node: "Node", values: "torch.Tensor", fill: float) -> "torch.Tensor":
        """The windows in torch, float64 of shape (N, C, P, Q, h * w)."""
        padded = self.padded(node, values.double(), fill)
        down, across = node.attributes["kernel"]
        windows = padded.unfold(2, down, node.attributes["stride"][0])
        return windows.unfold(3, across, node.attributes["stride"][1]).flatten(4)

    def padded(self, node: "Node", values: "torch.Tensor", fill: float) -> "torch.Tensor":
        """The planes with their padding, which holds ``fill``."""
        from torch.nn import functional

        top, bottom, left, right = node.attributes["padding"]
        if not (top or bottom or left or right):
            return values
        return functional.pad(values, (left, right, top, bottom), value=fill)
