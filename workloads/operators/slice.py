"""slice: every n-th channel, row or column of a range."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.errors import WorkloadError
from workloads.operator import Operator, Shape, Whole

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class Slice(Operator):
    """``start``, ``stop`` and ``step`` on ``axis`` 1, 2 or 3 of (N, C, H, W)."""

    moves = True
    attributes: Mapping[str, Whole] = {
        "axis": Whole(1, 1),
        "start": Whole(1, 0),
        "stop": Whole(1, 1),
        "step": Whole(1, 1),
    }
    runs_early = True

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """Fewer elements on the axis."""
        axis, start, stop, step = (node.attributes[name] for name in self.attributes)
        shape = list(operands[0])
        if axis > len(shape) or not start < stop <= shape[axis - 1]:
            raise WorkloadError(
                f"{node.name}: takes {start}..{stop} of axis {axis}, its operand is {operands[0]}"
            )
        shape[axis - 1] = len(range(start, stop, step))
        return (shape[0], shape[1], shape[2])

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """A part of the operand."""
        return operands[0][_index(node)]

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The same part of the operand, picked element by element."""
        import torch

        places = torch.arange(*(node.attributes[name] for name in ("start", "stop", "step")))
        return operands[0].index_select(node.attributes["axis"], places.to(operands[0].device))

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """A part of the operand."""
        return operands[0][_index(node)]

    def sources(self, node: "Node", channels: Sequence[int]) -> np.ndarray:
        """The channels that are taken."""
        whole = np.arange(channels[0])[:, None]
        return whole[_range(node)] if node.attributes["axis"] == 1 else whole

    def keeps_operands(self, node: "Node") -> bool:
        """True for a slice of channels, because it depends on their positions."""
        return bool(node.attributes["axis"] == 1)


def _range(node: "Node") -> slice:
    return slice(*(node.attributes[name] for name in ("start", "stop", "step")))


def _index(node: "Node") -> tuple[slice, ...]:
    index = [slice(None)] * 4
    index[node.attributes["axis"]] = _range(node)
    return tuple(index)


OPERATOR = Slice()
