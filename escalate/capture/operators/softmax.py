"""softmax in exported graphs; at the end it changes no class, so it is left out, and told."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, shape_of
from escalate.capture.onnx_operator import Onnx, Value

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step

COERCED_OPSET = 13  # since which softmax acts on one axis; before, on all from that axis on


def _softmax(call: Call) -> str:
    source = call.source()
    axis = call.arguments["dim"] % len(shape_of(call.node))
    if axis == 0:
        call.fail("over the axis of images")
    axis = 3 if axis == 2 and len(shape_of(call.node)) == 3 else axis  # (N, C, L) is (C, 1, L)
    return call.add("softmax", (source,), {"axis": axis})


def _axis(step: "Step", shape: Sequence[int]) -> int:
    axis: int = step.get("axis", 1 if step.opset < COERCED_OPSET else -1) % len(shape)
    if step.opset < COERCED_OPSET and any(size != 1 for size in shape[axis + 1 :]):
        step.fail(f"acts on all axes from {axis} on, wanted one axis")
    return axis


def _onnx_softmax(step: "Step", values: Mapping[str, Value]) -> Value:
    image = step.tensor(values)
    return image.softmax(_axis(step, image.shape))


def _onnx_log_softmax(step: "Step", values: Mapping[str, Value]) -> Value:
    image = step.tensor(values)
    return image.log_softmax(_axis(step, image.shape))


def _onnx_arg_max(step: "Step", values: Mapping[str, Value]) -> Value:
    return step.tensor(values).argmax(step.get("axis", 0), keepdim=bool(step.get("keepdims", 1)))


def _onnx_top_k(step: "Step", values: Mapping[str, Value]) -> tuple[Value, ...]:
    count = step.get("k", None) or (step.integers(values, 1) or [1])[0]
    image, largest = step.tensor(values), bool(step.get("largest", 1))
    return tuple(image.topk(count, step.get("axis", -1), largest, bool(step.get("sorted", 1))))


ATEN = {"softmax": Aten(_softmax), "_softmax": Aten(_softmax)}
AXIS: rules.Rules = {"axis": rules.AXIS}
ONNX = {
    "ArgMax": Onnx(
        _onnx_arg_max,
        (1, 1),
        {**AXIS, "keepdims": rules.FLAG, "select_last_index": rules.only(0)},
    ),
    "LogSoftmax": Onnx(_onnx_log_softmax, (1, 1), AXIS),
    "Softmax": Onnx(_onnx_softmax, (1, 1), AXIS),
    "TopK": Onnx(
        _onnx_top_k,
        (1, 2),
        {**AXIS, "k": rules.GROUPS, "largest": rules.FLAG, "sorted": rules.FLAG},
    ),
}
