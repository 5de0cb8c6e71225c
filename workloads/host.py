"""Host: operators that no machine computes in integers: floats of the codes, rounded to codes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.operator import Operator, Shape, Span

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel


class Host(Operator):
    """One NumPy implementation in float64, which every interpreter calls; 8-bit codes in and out.

    Its ``operations`` are the additions, multiplications, divisions, comparisons, roots, powers and
    exponentials of that, each of which counts as one.

    Its stored ``scales`` are the values of one step of each operand and, last, of the output.
    """

    stores = ("arrays", "bounds")
    owns_range = True
    keeps_zero = False
    reads_bytes = False
    on_host = True

    def compute(self, node: "Node", operands: Sequence[np.ndarray]) -> np.ndarray:
        """The output in float64, of float64 operands, each (N, C, H, W)."""
        raise NotImplementedError(f"{type(self).__name__} computes nothing")

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """That of the operand."""
        return operands[0]

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The output in its steps, rounded half to even."""
        *scales, target = model.arrays[node.name]["scales"].tolist()
        values = [
            each.astype(np.float64) * scale for each, scale in zip(operands, scales, strict=True)
        ]
        low, high = model.bounds[node.name]
        steps = np.clip(np.rint(self.compute(node, values) / target), low, high)
        return steps.astype(np.int64)

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The same, by the one implementation."""
        import torch

        found = self.integers(model, node, [each.cpu().numpy() for each in operands])
        return torch.from_numpy(found).to(operands[0].device)

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """It may be, unless a ReLU is part of it."""
        return not self.rectifies(node)

    def sources(self, node: "Node", channels: Sequence[int]) -> None:
        """Channels may mix."""
        return

    def keeps_operands(self, node: "Node") -> bool:
        """Every number counts."""
        return True

    def lowered(
        self, node: "Node", constants: Sequence[np.ndarray], before: Sequence[Span], after: Span
    ) -> Mapping[str, np.ndarray]:
        """The scales."""
        return {"scales": np.array([*(span.scale for span in before), after.scale])}

    def check_arrays(self, node: "Node", arrays: Mapping[str, np.ndarray]) -> str | None:
        """What is wrong with stored scales."""
        wrong = self.misshapen(arrays, {"scales": (len(node.inputs) + 1,)}, np.float64)
        if wrong is None and not (arrays["scales"] > 0).all():
            wrong = "scales are not all above 0"
        return wrong
