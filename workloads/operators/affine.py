"""affine: each channel times a number plus a number, such as a batch norm that folds nowhere."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.operator import Operator, Shape, Span

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel

MULTIPLIER_BITS, BIAS_BITS, MOST_SHIFT = 30, 30, 22


class Affine(Operator):
    """y = (x * multiplier[c] + bias[c] + half) >> shift, clamped; int32 multipliers and biases.

    Its constants are the two numbers of each channel, in floats.
    """

    stores = ("arrays", "bounds")
    owns_range = True
    keeps_zero = False

    def constants(self, node: "Node") -> int:
        """What a channel is multiplied by, and what is added."""
        return 2

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """That of the operand."""
        return operands[0]

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The scaled and shifted operand."""
        multiplier, bias, shift = (model.arrays[node.name][each] for each in FIELDS)
        half = (1 << int(shift[0])) >> 1
        products = operands[0].astype(np.int64) * multiplier.astype(np.int64)[:, None, None]
        scaled: np.ndarray = (products + bias[:, None, None] + half) >> int(shift[0])
        return scaled

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The scaled and shifted operand: division by a power of two, rounded down."""
        import torch

        multiplier, bias, shift = (
            torch.tensor(model.arrays[node.name][each], dtype=torch.int64) for each in FIELDS
        )
        divisor = 2 ** int(shift)
        device = operands[0].device
        total = torch.einsum("nchw,c->nchw", operands[0], multiplier.to(device))
        total = total + bias.to(device)[:, None, None] + divisor // 2
        return torch.div(total, divisor, rounding_mode="floor")

    def work(
        self, model: "IntegerModel", node: "Node", operands: Sequence[Shape]
    ) -> Mapping[str, int]:
        """A multiplication as wide as a rescale's, and an addition."""
        size = math.prod(node.shape)
        return {"rescale": size, "add": size}

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The operand times the first constant plus the second."""
        values, scale, shift = operands
        return values * scale[:, None, None] + shift[:, None, None]

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """Constants may be negative."""
        return not self.rectifies(node)

    def zeros(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Channels whose operand is 0, or counts for nothing, and whose bias rounds to 0."""
        multiplier, bias, shift = (model.arrays[node.name][each] for each in FIELDS)
        rest = (bias.astype(np.int64) + ((1 << int(shift[0])) >> 1)) >> int(shift[0])
        return (operands[0] | (multiplier == 0)) & (np.clip(rest, *model.bounds[node.name]) == 0)

    def lowered(
        self,
        node: "Node",
        constants: Sequence[np.ndarray],
        before: Sequence[Span],
        after: Span,
    ) -> Mapping[str, np.ndarray]:
        """Multipliers and biases with one shift, so that both have at most 30 bits."""
        scale, offset = (each.astype(np.float64) for each in constants)
        ratios = scale * (before[0].scale / after.scale)
        reach = np.abs(ratios) * 256 + max(-after.low, after.high) + 1
        offsets = np.clip(
            offset / after.scale, -reach, reach
        )  # what is beyond only drives into a clamp
        shift = MOST_SHIFT
        for numbers, bits in ((ratios, MULTIPLIER_BITS), (offsets, BIAS_BITS)):
            largest = float(np.abs(numbers).max(initial=0.0))
            shift = min(shift, bits - int(np.frexp(largest)[1]))
        shift = max(shift, 0)
        return {
            "multiplier": np.rint(ratios * 2.0**shift).astype(np.int32),
            "bias": np.rint(offsets * 2.0**shift).astype(np.int32),
            "shift": np.array([shift], np.int32),
        }

    def check_arrays(self, node: "Node", arrays: Mapping[str, np.ndarray]) -> str | None:
        """What is wrong with stored arrays; None for what ``lowered`` makes."""
        wanted = {"multiplier": (node.shape[0],), "bias": (node.shape[0],), "shift": (1,)}
        wrong = self.misshapen(arrays, wanted, np.int32)
        if wrong is None and not 0 <= int(arrays["shift"][0]) <= MOST_SHIFT:
            wrong = f"shift is {int(arrays['shift'][0])}, wanted 0..{MOST_SHIFT}"
        return wrong


FIELDS = ("multiplier", "bias", "shift")
OPERATOR = Affine()
