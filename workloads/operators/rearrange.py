"""rearrange: numbers in another order: depth to space, a transpose, a reshape of planes."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.errors import WorkloadError
from workloads.operator import ANY_NUMBER, Operator, Shape, Whole

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel

MOST = 1 << 31  # of a place in an image's tensor


class Rearrange(Operator):
    """The operand's numbers as nested loops visit them, the last one innermost.

    Loop i runs ``counts``[i] times and moves by ``steps``[i] places; ``start`` is the first place.
    ``size`` is the shape (C, H, W) of the output, whose numbers are made in C order.
    """

    moves = True
    attributes: Mapping[str, Whole] = {
        "counts": Whole(ANY_NUMBER, 1, MOST),
        "steps": Whole(ANY_NUMBER, -MOST, MOST),
        "start": Whole(1, 0, MOST),
        "size": Whole(3, 1, MOST),
    }

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """As the node says, if the loops stay inside the operand and make so many numbers."""
        counts, steps, start, size = (node.attributes[name] for name in self.attributes)
        if len(counts) != len(steps):
            raise WorkloadError(f"{node.name}: {len(counts)} counts and {len(steps)} steps")
        reaches = [(count - 1) * step for count, step in zip(counts, steps, strict=True)]
        low = start + sum(min(reach, 0) for reach in reaches)
        high = start + sum(max(reach, 0) for reach in reaches)
        if low < 0 or high >= math.prod(operands[0]) or math.prod(counts) != math.prod(size):
            raise WorkloadError(
                f"{node.name}: makes {math.prod(counts)} numbers of places {low}..{high}, wanted "
                f"{math.prod(size)} of 0..{math.prod(operands[0]) - 1}"
            )
        return (size[0], size[1], size[2])

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The numbers, picked place by place."""
        flat = operands[0].reshape(len(operands[0]), -1)
        return flat[:, _places(node)].reshape(-1, *node.attributes["size"])

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """A strided view; of reversed axes where a loop runs backwards."""
        counts, steps, start, size = (node.attributes[name] for name in self.attributes)
        backwards = [axis + 1 for axis, step in enumerate(steps) if step < 0]
        first = start + sum(
            (count - 1) * step for count, step in zip(counts, steps, strict=True) if step < 0
        )
        flat = operands[0].flatten(1).contiguous()
        forwards = [flat.shape[1], *(abs(step) for step in steps)]
        view = flat.as_strided((len(flat), *counts), forwards, flat.storage_offset() + first)
        return view.flip(backwards).reshape(-1, *size)

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The numbers, picked place by place."""
        import torch

        places = torch.from_numpy(_places(node)).to(operands[0].device)
        return operands[0].flatten(1).index_select(1, places).reshape(-1, *node.attributes["size"])

    def sources(self, node: "Node", channels: Sequence[int]) -> None:
        """Channels may mix."""
        return

    def keeps_operands(self, node: "Node") -> bool:
        """Every place counts."""
        return True


def _places(node: "Node") -> np.ndarray:
    places = np.array([node.attributes["start"]])
    for count, step in zip(node.attributes["counts"], node.attributes["steps"], strict=True):
        places = (places[:, None] + step * np.arange(count)).ravel()
    return places


OPERATOR = Rearrange()
