"""response_norm: each channel's size over the mean size, the gates of ConvNeXt V2."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.host import Host
from workloads.operator import Real, Shape

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node


class ResponseNorm(Host):
    """g / (mean(g) + ``epsilon``) of shape (C, 1, 1); g is the root of a plane's sum of squares.

    Source: S. Woo et al., "ConvNeXt V2: Co-designing and Scaling ConvNets with Masked
    Autoencoders", CVPR 2023, global response normalization.
    """

    attributes: Mapping[str, Real] = {"epsilon": Real(0)}

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """One number for each channel."""
        return (operands[0][0], 1, 1)

    def compute(self, node: "Node", operands: Sequence[np.ndarray]) -> np.ndarray:
        """The gates."""
        sizes = np.sqrt((operands[0] * operands[0]).sum(axis=(2, 3), keepdims=True))
        mean = sizes.mean(axis=1, keepdims=True) + node.attributes["epsilon"]
        found: np.ndarray = np.divide(sizes, mean, out=np.zeros_like(sizes), where=mean > 0)
        return found

    def operations(self, node: "Node", operands: Sequence[Shape]) -> int:
        """A plane's squares, sum and root; their mean, what is added to it, and C divisions."""
        c, h, w = operands[0]
        return c * 2 * h * w + c + 1 + c

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The gates."""
        sizes = operands[0].square().sum((2, 3), keepdim=True).sqrt()
        return sizes / (sizes.mean(1, keepdim=True) + node.attributes["epsilon"])

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """Never."""
        return False


OPERATOR = ResponseNorm()
