"""concat in exported graphs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
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
    if axis == 0:
        call.fail("concatenates on axis 0, which mixes images")
    if axis > 1:
        return _of_another_axis(call, axis - 1, tensors)
    return call.add("concat", tuple(call.made(each) for each in tensors))


def _of_another_axis(call: Call, axis: int, tensors: list[Tensor]) -> Read:
    """Tensors side by side on an axis that does not stand first: it does while they are joined."""
    shape = shape_of(call.node)[1:]
    others = [place for place in range(len(shape)) if place != axis]
    sizes = [shape[place] for place in others]
    plane = (int(np.prod(sizes[:-1])), sizes[-1])
    moved = [each.moved((axis, *others)) for each in tensors]
    names = [call.made(each.reshaped((each.shape[0], *plane))) for each in moved]
    whole = (shape[axis], *plane)
    made = Tensor(call.draft.add(call.path, "concat", tuple(names), whole), whole)
    back = tuple((axis, *others).index(place) for place in range(len(shape)))
    return made.reshaped((shape[axis], *sizes)).moved(back)


def _onnx_concat(step: "Step", values: Mapping[str, Value]) -> Value:
    parts = [step.tensor(values, place) for place in range(len(step.inputs))]
    return torch.cat(parts, step.get("axis", 1))


ATEN = dict.fromkeys(("cat", "concat", "concatenate"), Aten(_concat))
ONNX = {"Concat": Onnx(_onnx_concat, (1, ANY_NUMBER), {"axis": rules.AXIS})}
