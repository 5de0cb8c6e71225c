"""Rescaling: operators that bring operands of different scales to the scale of their output."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.operator import Operator
from workloads.requantize import multiply_shift

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class Rescaling(Operator):
    """What additions, concatenations and means share: a Rescale per operand, and bounds."""

    stores = ("rescales", "bounds")
    owns_range = True

    def ratios(self, node: "Node", scales: Sequence[float], target: float) -> tuple[float, ...]:
        """The factor from each operand's scale to the output's."""
        return tuple(scale / target for scale in scales)

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
