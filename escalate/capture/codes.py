"""Codes: how the integers of a quantized file stand for numbers, and where its weights have theirs.

value = (code - zero) * scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step
    from escalate.capture.onnx_operator import Value

KINDS = (np.uint8, np.int8, np.uint16, np.int16)
MOVES = ("Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten")


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of a tensor of activations: one scale, one zero point, codes low..high.

    Examples
    --------
    >>> found = Codes(0.5, -128, -128, 127)
    >>> found.lowest, found.highest
    (0, 255)
    """

    scale: float
    zero: int
    low: int
    high: int

    @property
    def lowest(self) -> int:
        """The lowest code less the zero point: steps from 0."""
        return self.low - self.zero

    @property
    def highest(self) -> int:
        """The highest code less the zero point."""
        return self.high - self.zero


def codes_of(step: "Step", values: "Mapping[str, Value]", at: int) -> Codes:
    """The codes of which operands ``at`` and behind are scale and zero point; refuses others."""
    scale = step.constant(values, at)
    zero = step.constant(values, at + 1) if step.has(at + 1) else _zero_of(step)
    name = step.inputs[at]
    if scale.size != 1 or zero.size != 1:
        step.fail(f"{name} has {scale.size} numbers, wanted one for all activations")
    if zero.dtype not in KINDS:
        step.fail(f"codes of type {zero.dtype}, wanted 8 or 16 bits")
    limits = np.iinfo(zero.dtype)
    return Codes(
        float(scale_of(step, scale).reshape(())), int(zero.reshape(())), limits.min, limits.max
    )


def _zero_of(step: "Step") -> np.ndarray:
    """The zero point of an operator that has none: 0, of the type that it states, or uint8."""
    from onnx import helper

    element = step.get("output_dtype", 0)
    return np.zeros((), helper.tensor_dtype_to_np_dtype(element) if element else np.uint8)


def scale_of(step: "Step", scale: np.ndarray) -> np.ndarray:
    """Scales, float64; refuses those that are no positive numbers."""
    found = scale.astype(np.float64)
    if not (np.isfinite(found).all() and (found > 0).all()):
        step.fail("a scale is no finite number above 0")
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Weights that a file has as codes: their steps along one of their axes.

    ``steps`` are float64, one for all or one along ``axis``; ``shifted`` says whether a zero point
    is not 0.
    """

    steps: np.ndarray
    axis: int
    shifted: bool

    def of_outputs(self, axis: int, outputs: int) -> np.ndarray | None:
        """One for each output, which ``axis`` counts; None where they lie along another axis."""
        if self.steps.size == 1:
            return np.broadcast_to(self.steps.reshape(1), (outputs,))
        return self.steps if axis == self.axis and self.steps.size == outputs else None


def stored(
    kind: str,
    inputs: list[str],
    attributes: Mapping[str, object],
    constants: Mapping[str, np.ndarray],
    known: Mapping[str, Stored],
) -> Stored | None:
    """What is known of a constant that an operator of the file makes of others.

    Parameters
    ----------
    kind, inputs, attributes : of the operator
    constants : its operands among them
    known : what is known of these
    """
    if kind == "DequantizeLinear" and not attributes.get("block_size"):
        scale = constants[inputs[1]].astype(np.float64)
        shifted = len(inputs) > 2 and bool(inputs[2]) and bool(constants[inputs[2]].any())
        axis = attributes.get("axis", 1)
        assert isinstance(axis, int)
        return Stored(scale.reshape(-1), axis % max(1, constants[inputs[0]].ndim), shifted)
    before = known.get(inputs[0]) if inputs else None
    if before is None:
        return None
    if kind == "Transpose":
        rank = constants[inputs[0]].ndim
        order = attributes.get("perm") or list(reversed(range(rank)))
        assert isinstance(order, list)
        return Stored(before.steps, order.index(before.axis), before.shifted)
    whole = kind in MOVES and (before.steps.size == 1 or kind == "Identity")
    return before if whole else None
