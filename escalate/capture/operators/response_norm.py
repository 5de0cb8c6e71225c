"""response_norm in exported graphs: root sums of squares over planes, over their mean."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read
from escalate.capture.onnx_operator import Onnx, Value, axes_of
from escalate.capture.tensor import Tensor

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _restored(call: Call) -> Read:
    """Gates that were spelled out; the one axis that is no part of a plane holds the channels."""
    values, axes, found = call.node.args
    tensor, epsilon = call.tensor(values), call.constant(found)
    assert isinstance(axes, list)
    if tensor is None or len(tensor.shape) != 3 or epsilon is None or epsilon.size != 1:
        call.fail("a norm over planes, wanted one of four axes with a number beside the mean")
    over = [axis - 1 for axis in axes]
    (channels,) = [axis for axis in range(3) if axis not in over]
    order = (channels, *over)
    moved = tensor.moved(order)
    shape = (moved.shape[0], 1, 1)
    attributes = {"epsilon": float(epsilon.reshape(()))}
    made = call.draft.add(call.path, "response_norm", (call.made(moved),), shape, attributes)
    return Tensor(made, shape).moved(tuple(order.index(axis) for axis in range(3)))


def _onnx_norm(step: "Step", values: Mapping[str, Value]) -> Value:
    axes = axes_of(step, values)
    if not axes:
        step.fail("axes are missing: a norm over all axes mixes images, wanted axes = [2, 3]")
    keep = bool(step.get("keepdims", 1))
    return torch.linalg.vector_norm(step.tensor(values), 2, axes, keepdim=keep)


ATEN = {"responses": Aten(_restored)}
ONNX = {"ReduceL2": Onnx(_onnx_norm, (1, 2), rules.REDUCE)}
