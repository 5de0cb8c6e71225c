"""Tensor: a tensor of an exported graph: a node of ours, functions of its numbers, a view of it."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from escalate.capture.codes import Codes
from escalate.capture.stages import Stage, Stages, after

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """What an exported node stands for.

    Parameters
    ----------
    node : the node of our graph whose numbers it holds
    shape : of one image, any number of axes
    stages : functions of one number that act on them
    view : where each number lies in the node's tensor, int64 of shape ``shape``; None where they
        lie in its order
    path : of the module that made it, after which nodes are named
    codes : where the exported tensor holds codes of a quantized file, how they stand for numbers;
        the node holds the numbers all the same
    """

    node: str
    shape: Shape
    stages: Stages = ()
    view: np.ndarray | None = None
    path: str = ""
    codes: Codes | None = None

    @property
    def at(self) -> np.ndarray:
        """Where each number lies in the node's tensor, int64 of shape ``shape``."""
        if self.view is not None:
            return self.view
        return np.arange(int(np.prod(self.shape))).reshape(self.shape)

    def behind(self, stage: Stage) -> "Tensor":
        """The tensor behind one more function."""
        return replace(self, stages=after(self.stages, stage))

    def with_stages(self, stages: Stages) -> "Tensor":
        """The same numbers behind other functions."""
        return replace(self, stages=stages)

    def moved(self, axes: tuple[int, ...]) -> "Tensor":
        """The tensor with its axes in another order."""
        if axes == tuple(range(len(axes))):
            return self
        view = self.at.transpose(axes)
        straight = self.view is None and np.array_equal(view.ravel(), np.arange(view.size))
        return replace(self, shape=view.shape, view=None if straight else view)

    def seen(self, view: np.ndarray) -> "Tensor":
        """The same numbers at other places of the node's tensor, int64 of the new shape."""
        return replace(self, shape=view.shape, view=view)

    def reshaped(self, shape: Shape) -> "Tensor":
        """The same numbers in the same order, on other axes."""
        view = None if self.view is None else self.view.reshape(shape)
        return replace(self, shape=shape, view=view)

    def is_viewed_as(self, other: "Tensor") -> bool:
        """Whether both show the same places of tensors of one shape."""
        if self.shape != other.shape or (self.view is None) != (other.view is None):
            return False
        return self.view is None or other.view is None or np.array_equal(self.view, other.view)

    def places(self, images: int, whole: int) -> torch.Tensor:
        """The places as a tensor of so many images, float64; each image has ``whole`` of them."""
        each = np.stack([self.at + image * whole for image in range(images)])
        return torch.from_numpy(np.ascontiguousarray(each, np.float64))


def plane(shape: Shape) -> tuple[int, int, int] | None:
    """(C, H, W) of an image's tensor (C,), (C, W) or (C, H, W); None for other axes.

    Examples
    --------
    >>> plane((10,)), plane((8, 5)), plane((8, 4, 5)), plane((2, 8, 4, 5))
    ((10, 1, 1), (8, 1, 5), (8, 4, 5), None)
    """
    if len(shape) == 1:
        return shape[0], 1, 1
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else None
