"""local_norm: each number over a power of the squares of its neighbour channels (AlexNet's LRN)."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.host import Host
from workloads.operator import MOST_REAL, Real, Shape, Whole

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node


class LocalNorm(Host):
    """x / (``bias`` + ``alpha`` / ``size`` * sum of squares) ^ ``beta``, over ``size`` channels.

    They are the channel's own, (size - 1) // 2 before and size // 2 behind it, as in ONNX; torch
    has size // 2 before and (size - 1) // 2 behind, which is the same for odd sizes.
    """

    attributes: Mapping[str, Whole | Real] = {
        "size": Whole(1, 1),
        "alpha": Real(-MOST_REAL),
        "beta": Real(-MOST_REAL),
        "bias": Real(0),
    }

    def compute(self, node: "Node", operands: Sequence[np.ndarray]) -> np.ndarray:
        """The divided numbers."""
        size, alpha, beta, bias = (node.attributes[name] for name in self.attributes)
        edges = ((0, 0), ((size - 1) // 2, size // 2), (0, 0), (0, 0))
        squares = np.pad(operands[0] * operands[0], edges)
        sums = np.lib.stride_tricks.sliding_window_view(squares, size, axis=1).sum(axis=-1)
        found: np.ndarray = operands[0] / (bias + alpha / size * sums) ** beta
        return found

    def operations(self, node: "Node", operands: Sequence[Shape]) -> int:
        """A square and a sum of ``size``; a product, an addition, a power and a division."""
        return math.prod(operands[0]) * (node.attributes["size"] + 4)

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The divided numbers."""
        from torch.nn import functional

        size, alpha, beta, bias = (node.attributes[name] for name in self.attributes)
        edges = (0, 0, 0, 0, (size - 1) // 2, size // 2)
        squares = functional.pad(operands[0] * operands[0], edges)
        sums = squares.unfold(1, size, 1).sum(dim=-1)
        return operands[0] / (bias + alpha / size * sums) ** beta

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """Where the operand is: the divisor is above 0."""
        return operands[0] and not self.rectifies(node)


OPERATOR = LocalNorm()
