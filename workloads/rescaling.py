"""Rescaling: operators that bring operands of different scales to the scale of their output."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.errors import WorkloadError
from workloads.operator import Operator, Shape
from workloads.requantize import multiply_shift

if TYPE_CHECKING:
    import torch

    from workloads.channels import Classes
    from workloads.graph import Node
    from workloads.integer import IntegerModel


class Rescaling(Operator):
    """What additions, concatenations and means share: a Rescale per operand, and bounds."""

    stores = ("rescales", "bounds")
    owns_range = True

    def ratios(self, node: "Node", scales: Sequence[float], target: float) -> tuple[float, ...]:
        """The factor from each operand's scale to the output's."""
        return tuple(scale / target for scale in scales)

    def rescales(self, model: "IntegerModel", node: "Node", counts: Sequence[int]) -> int:
        """Multiplications where each Rescale is used so often; by 1 is none."""
        found = zip(counts, model.rescales[node.name], strict=True)
        return sum(count for count, rescale in found if rescale.multiplier != 1 << rescale.shift)

    def rescaled(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """The operands in steps of the output, int64."""
        rescales = model.rescales[node.name]
        return [
            multiply_shift(operand, rescale.multiplier, rescale.shift)
            for operand, rescale in zip(operands, rescales, strict=True)
        ]

    def torch_rescaled(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> list["torch.Tensor"]:
        """The same in torch, for int64 operands."""
        return [
            torch_multiply_shift(operand, rescale.multiplier, rescale.shift)
            for operand, rescale in zip(operands, model.rescales[node.name], strict=True)
        ]


class Pairwise(Rescaling):
    """Two tensors, number by number; an axis of one element stands for all."""

    operands = (2, 2)

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """The larger size of each axis."""
        if any(a != b and 1 not in (a, b) for a, b in zip(*operands, strict=True)):
            told = ", ".join(map(str, operands))
            raise WorkloadError(
                f"{node.name}: operands of shapes {told}, wanted axes that are equal or 1"
            )
        c, h, w = (max(sizes) for sizes in zip(*operands, strict=True))
        return (c, h, w)

    def sources(self, node: "Node", channels: Sequence[int]) -> np.ndarray:
        """Channel c of both, or the only one; it is laid out as the first operand."""
        first, second = (np.arange(max(channels)) % count for count in channels)
        return np.stack([first, channels[0] + second], axis=1)

    def classes(
        self, node: "Node", operands: Sequence[np.ndarray], classes: "Classes"
    ) -> np.ndarray:
        """Those of both; an only channel beside many stays."""
        if operands[0].size == operands[1].size:
            return super().classes(node, operands, classes)
        for each in operands:
            if each.size == 1:
                classes.fix(each)
        return max(operands, key=len)


def torch_multiply_shift(
    values: "torch.Tensor", multiplier: "torch.Tensor | int", shift: int
) -> "torch.Tensor":
    """Scale int64 values by multiplier / 2^shift, rounding half up.

    Examples
    --------
    >>> import torch
    >>> torch_multiply_shift(torch.tensor([3, -3, 5]), 1, 1).tolist()
    [2, -1, 3]
    """
    half = (1 << shift) >> 1
    return (values * multiplier + half) >> shift
