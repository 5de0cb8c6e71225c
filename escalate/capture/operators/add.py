"""add in exported graphs: sums and differences; of constants, they are affine."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read
from escalate.capture.elementwise import combined, operands, plus, with_constant
from escalate.capture.onnx_operator import Onnx, Value, operand_tensors
from escalate.capture.stages import affine
from workloads.operator import ANY_NUMBER

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _sum(call: Call, sign: float, reverse: bool = False) -> Read:
    left, right = reversed(operands(call)) if reverse else operands(call)
    factor = sign * float(call.arguments.get("alpha", 1))
    if isinstance(left, np.ndarray):
        assert not isinstance(right, np.ndarray)
        scaled = right if factor == 1 else right.behind(affine(factor))
        return with_constant(call, scaled, left, plus)
    if isinstance(right, np.ndarray):
        return with_constant(call, left, right * factor, plus)
    scaled = right if factor == 1 else right.behind(affine(factor))
    return combined(call, "add", left, scaled, lambda x, y, s: call.add("add", (x, y), shape=s))


def _onnx_sum(step: "Step", values: Mapping[str, Value]) -> Value:
    total, *others = operand_tensors(step, values)
    for each in others:
        total = total + each
    return total


def _onnx_sub(step: "Step", values: Mapping[str, Value]) -> Value:
    left, right = operand_tensors(step, values)
    return torch.sub(left, right)


ATEN = {
    "add": Aten(lambda call: _sum(call, 1.0)),
    "sub": Aten(lambda call: _sum(call, -1.0)),
    "subtract": Aten(lambda call: _sum(call, -1.0)),
    "rsub": Aten(lambda call: _sum(call, -1.0, reverse=True)),
}
ONNX = {
    "Add": Onnx(_onnx_sum, (2, 2), rules.OLD_BROADCAST),
    "Sub": Onnx(_onnx_sub, (2, 2), rules.OLD_BROADCAST),
    "Sum": Onnx(_onnx_sum, (1, ANY_NUMBER), {"consumed_inputs": rules.ANYTHING}),
}
