"""add in exported graphs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, shape_of
from escalate.capture.onnx_operator import Onnx, Value

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _add(call: Call) -> str:
    operands = (call.source("self"), call.source("other"))
    shapes = [shape_of(call.arguments[argument]) for argument in ("self", "other")]
    if shapes[0] != shapes[1]:
        call.fail(f"operands of shapes {shapes[0]} and {shapes[1]}, wanted equal shapes")
    if call.arguments["alpha"] != 1:
        call.fail(f"alpha is {call.arguments['alpha']}, wanted 1")
    return call.add("add", operands)


def _onnx_add(step: "Step", values: Mapping[str, Value]) -> Value:
    left, right = (values[name] for name in step.inputs)
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return left + right
    return step.fail("adds a constant, wanted two tensors computed from the image")


ATEN = {"add": Aten(_add)}
RULES: rules.Rules = {
    "broadcast": rules.only(0),
    "axis": rules.ANYTHING,
    "consumed_inputs": rules.ANYTHING,
}
ONNX = {"Add": Onnx(_onnx_add, (2, 2), RULES)}
