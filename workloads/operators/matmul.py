"""matmul: the matrix product of two tensors, channel by channel, as attention has it."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.errors import WorkloadError
from workloads.host import Host
from workloads.operator import MOST_REAL, Real, Shape

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class Matmul(Host):
    """``factor`` * A B, of A (C, P, D) and B (C, D, Q); the channels are the heads of attention."""

    operands = (2, 2)
    attributes: Mapping[str, Real] = {"factor": Real(-MOST_REAL)}

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """(C, P, Q)."""
        (c, p, d), (heads, rows, q) = operands
        if (c, d) != (heads, rows):
            told = " and ".join(map(str, operands))
            raise WorkloadError(f"{node.name}: reads {told}, wanted (C, P, D) and (C, D, Q)")
        return (c, p, q)

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The output in its steps, rounded half to even.

        The sums are of whole numbers, which float64 holds exactly in any order.
        """
        left, right, target = model.arrays[node.name]["scales"].tolist()
        sums = self.compute(node, [each.astype(np.float64) for each in operands])
        low, high = model.bounds[node.name]
        steps = np.rint(sums * node.attributes["factor"] * (left * right / target))
        return np.clip(steps, low, high).astype(np.int64)

    def compute(self, node: "Node", operands: Sequence[np.ndarray]) -> np.ndarray:
        """The products without their factor."""
        found: np.ndarray = operands[0] @ operands[1]
        return found

    def operations(self, node: "Node", operands: Sequence[Shape]) -> int:
        """Of sums of D products: these, D - 1 additions, and the factor."""
        return math.prod(node.shape) * (2 * operands[0][2] - 1 + (node.attributes["factor"] != 1))

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The products."""
        return operands[0] @ operands[1] * node.attributes["factor"]

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """Where an operand is, or the factor is negative."""
        negative = any(operands) or node.attributes["factor"] < 0
        return negative and not self.rectifies(node)


OPERATOR = Matmul()
