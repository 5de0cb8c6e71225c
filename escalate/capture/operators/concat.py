"""concat in exported graphs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, shape_of
from escalate.capture.onnx_operator import Onnx, Value
from workloads.operator import ANY_NUMBER

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _concat(call: Call) -> str:
    tensors = call.arguments["tensors"]
    axis = call.arguments["dim"] % len(shape_of(call.node))
    if axis != 1:
        call.fail(f"concatenates on axis {axis}, wanted 1 (channels)")
    if any(tensor not in call.values for tensor in tensors):
        call.fail("an operand is no tensor computed from the network's input")
    operands = tuple(call.values[tensor] for tensor in tensors)
    return call.add("concat", operands)


def _onnx_concat(step: "Step", values: Mapping[str, Value]) -> Value:
    parts = [step.tensor(values, place) for place in range(len(step.inputs))]
    return torch.cat(parts, step.get("axis", 1))


def _onnx_concat_array(step: "Step", values: Mapping[str, Value]) -> Value:
    parts = [step.constant(values, place) for place in range(len(step.inputs))]
    return np.concatenate(parts, step.get("axis", 0))


ATEN = dict.fromkeys(("cat", "concat", "concatenate"), Aten(_concat))
ONNX = {
    "Concat": Onnx(
        _onnx_concat, (1, ANY_NUMBER), {"axis": rules.AXIS}, on_arrays=_onnx_concat_array
    )
}
