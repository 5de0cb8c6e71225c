"""concat in exported graphs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read, shape_of
from escalate.capture.onnx_operator import Onnx, Value
from escalate.capture.tensor import Tensor
from workloads.operator import ANY_NUMBER

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _concat(call: Call) -> Read:
    axis = call.arguments["dim"] % len(shape_of(call.node))
    operands = [call.tensor(each) for each in call.arguments["tensors"]]
    tensors = [each for each in operands if each is not None]
    if len(tensors) < len(operands):
        call.fail("an operand is no tensor computed from the network's input")
    if axis != 1:
        return _of_last_axis(call, axis, tensors)
    return call.add("concat", tuple(call.made(each) for each in tensors))


def _of_last_axis(call: Call, axis: int, tensors: list[Tensor]) -> Read:
    """Channels that stand last, as (N, H, W, C), side by side."""
    shape = shape_of(call.node)
    if axis != 3 or len(shape) != 4:
        call.fail(f"concatenates on axis {axis}, wanted 1 (channels)")
    names = [call.made(each.moved((2, 0, 1))) for each in tensors]
    _, h, w, c = shape
    whole = Tensor(call.draft.add(call.path, "concat", tuple(names), (c, h, w)), (c, h, w))
    return whole.moved((1, 2, 0))


def _onnx_concat(step: "Step", values: Mapping[str, Value]) -> Value:
    parts = [step.tensor(values, place) for place in range(len(step.inputs))]
    return torch.cat(parts, step.get("axis", 1))


ATEN = dict.fromkeys(("cat", "concat", "concatenate"), Aten(_concat))
ONNX = {"Concat": Onnx(_onnx_concat, (1, ANY_NUMBER), {"axis": rules.AXIS})}
