"""normalize: numbers less their mean, over their deviation: layer, group and instance norms."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.errors import WorkloadError
from workloads.host import Host
from workloads.operator import Real, Shape, Whole

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node


class Normalize(Host):
    """(x - mean) / sqrt(variance + ``epsilon``) over each group of numbers.

    The channels are dealt into ``groups`` of neighbours.  A group holds all pixels of its channels
    or, where ``pixels`` is 1, those of one pixel.
    """

    attributes: Mapping[str, Whole | Real] = {
        "groups": Whole(1, 1),
        "pixels": Whole(1, 0, 1),
        "epsilon": Real(0),
    }

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """That of the operand."""
        if operands[0][0] % node.attributes["groups"]:
            raise WorkloadError(
                f"{node.name}: groups is {node.attributes['groups']}, "
                f"wanted a divisor of the {operands[0][0]} channels"
            )
        return operands[0]

    def compute(self, node: "Node", operands: Sequence[np.ndarray]) -> np.ndarray:
        """The normalized numbers."""
        n, c, h, w = operands[0].shape
        groups, epsilon = node.attributes["groups"], node.attributes["epsilon"]
        grouped = operands[0].reshape(n, groups, c // groups, h, w)
        axes = (2,) if node.attributes["pixels"] else (2, 3, 4)
        centred = grouped - grouped.mean(axis=axes, keepdims=True)
        variance = (centred * centred).mean(axis=axes, keepdims=True)
        found: np.ndarray = (centred / np.sqrt(variance + epsilon)).reshape(n, c, h, w)
        return found

    def operations(self, node: "Node", operands: Sequence[Shape]) -> int:
        """Of n numbers: two means, n differences, squares and divisions; a sum and its root."""
        c, h, w = operands[0]
        count = c // node.attributes["groups"] * (1 if node.attributes["pixels"] else h * w)
        return c * h * w // count * (5 * count + 2)

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The normalized numbers."""
        from torch.nn import functional

        groups, epsilon = node.attributes["groups"], node.attributes["epsilon"]
        if not node.attributes["pixels"]:
            return functional.group_norm(operands[0], groups, eps=epsilon)
        n, c, h, w = operands[0].shape
        last = operands[0].reshape(n, groups, c // groups, h, w).movedim(2, -1)
        found = functional.layer_norm(last, (c // groups,), eps=epsilon)
        return found.movedim(-1, 2).reshape(n, c, h, w)


OPERATOR = Normalize()
