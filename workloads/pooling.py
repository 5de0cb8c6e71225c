"""Pooling: operators that make one number from each window of a plane."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.errors import WorkloadError
from workloads.operator import ANY_NUMBER, Operator, Shape, Whole

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node


class Pooling(Operator):
    """The common part: attributes in elements. Windows that do not fit the plane are left out.

    ``kernel``, ``stride`` and ``dilation`` are [down, across], ``padding`` [top, bottom, left,
    right].  Where ``tops`` and ``lefts`` are given, windows are of several sizes and the stride
    says nothing: the window in row p and column q has ``rows``[p] rows from ``tops``[p] on and
    ``columns``[q] columns from ``lefts``[q] on; the kernel is the largest.
    """

    attributes: Mapping[str, Whole] = {
        "kernel": Whole(2, 1),
        "stride": Whole(2, 1),
        "padding": Whole(4, 0),
        "dilation": Whole(2, 1, default=(1, 1)),
        "rows": Whole(ANY_NUMBER, 1, default=()),
        "columns": Whole(ANY_NUMBER, 1, default=()),
        "tops": Whole(ANY_NUMBER, 0, default=()),
        "lefts": Whole(ANY_NUMBER, 0, default=()),
    }

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """As many rows and columns as windows fit, or as are given."""
        if "tops" in node.attributes or "lefts" in node.attributes:
            return _given_shape(node, operands[0])
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

    def taken(self, node: "Node") -> int:
        """Numbers of all windows of a channel, padding included."""
        h, w = node.attributes["kernel"]
        if "tops" in node.attributes:
            return sum(node.attributes["rows"]) * sum(node.attributes["columns"])
        taken: int = h * w * node.shape[1] * node.shape[2]
        return taken

    def windows(self, node: "Node", values: np.ndarray, fill: int) -> np.ndarray:
        """The windows, shape (N, C, P, Q, h, w), in int64; positions outside hold ``fill``."""
        if "tops" in node.attributes:
            down, across, outside = _places(node)
            taken = values.astype(np.int64)[:, :, down[:, None, :, None], across[:, None, :]]
            return np.where(outside, fill, taken)
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
        import torch
        from torch.nn import functional

        if "tops" in node.attributes:
            down, across, outside = (torch.from_numpy(each) for each in _places(node))
            device = values.device
            taken = values.double()[:, :, down[:, None, :, None].to(device), across[:, None, :]]
            return taken.masked_fill(outside.to(device), fill).flatten(4)
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


def _given_shape(node: "Node", plane: Shape) -> Shape:
    """The shape of windows of several sizes, which must lie inside the plane."""
    given = node.attributes
    if any(given["padding"]) or dilation_of(node) != (1, 1):
        raise WorkloadError(
            f"{node.name}: padding is {given['padding']} and dilation {[*dilation_of(node)]}, "
            "wanted 0 and 1 beside tops and lefts"
        )
    counts = []
    for axis, (starts, sizes) in enumerate((("tops", "rows"), ("lefts", "columns"))):
        first, size = given.get(starts, ()), given.get(sizes, ())
        if not first or len(first) != len(size):
            raise WorkloadError(
                f"{node.name}: {len(first)} {starts} and {len(size)} {sizes}, wanted one of each "
                "for each window"
            )
        most, side = given["kernel"][axis], plane[1 + axis]
        for place, count in zip(first, size, strict=True):
            if count > most or place + count > side:
                raise WorkloadError(
                    f"{node.name}: a window has {count} {sizes} from {place} on, "
                    f"wanted at most {most} and inside the {side} of the plane"
                )
        counts.append(len(first))
    return (plane[0], counts[0], counts[1])


def _places(node: "Node") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows int64 (P, h) and columns (Q, w) under each window, and which are outside: (P, Q, h, w).

    What is outside stands at the window's first row or column.
    """
    found, outside = [], []
    for axis, (starts, sizes) in enumerate((("tops", "rows"), ("lefts", "columns"))):
        first = np.array(node.attributes[starts], np.int64)[:, None]
        step = np.arange(node.attributes["kernel"][axis], dtype=np.int64)
        beyond = step >= np.array(node.attributes[sizes], np.int64)[:, None]
        found.append(first + np.where(beyond, 0, step))
        outside.append(beyond)
    return found[0], found[1], outside[0][:, None, :, None] | outside[1][:, None, :]
