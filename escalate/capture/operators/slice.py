"""slice in exported graphs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, plane_of, shape_of
from escalate.capture.onnx_operator import Onnx, Value

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _slice(call: Call) -> str:
    source, shape = call.source(), shape_of(call.arguments["self"])
    axis = call.arguments["dim"] % len(shape)
    if axis == 0:
        call.fail("slices the batch, wanted axis 1, 2 or 3")
    start, stop, step = (call.arguments[key] for key in ("start", "end", "step"))
    start, stop, step = slice(start, stop, step).indices(shape[axis])
    attributes = {"axis": axis, "start": start, "stop": stop, "step": step}
    if 0 in plane_of(call, call.node):
        call.fail("leaves an empty tensor")
    return call.add("slice", (source,), attributes)


def _onnx_slice(step: "Step", values: Mapping[str, Value]) -> Value:
    image = step.tensor(values)
    if "starts" in step.attributes:
        starts, stops = list(step.get("starts", ())), list(step.get("ends", ()))
        axes, strides = step.get("axes", None), None
    else:
        starts, stops = step.integers(values, 1) or [], step.integers(values, 2) or []
        axes, strides = step.integers(values, 3), step.integers(values, 4)
    axes = list(range(len(starts))) if axes is None else list(axes)
    strides = [1] * len(starts) if strides is None else strides
    if not len(starts) == len(stops) == len(axes) == len(strides) or min(strides, default=1) < 1:
        step.fail(f"starts {starts}, ends {stops}, axes {axes}, steps {strides} do not go together")
    for axis, start, stop, stride in zip(axes, starts, stops, strides, strict=True):
        index = [slice(None)] * image.ndim
        index[axis % image.ndim] = slice(start, stop, stride)
        image = image[tuple(index)]
    return image


ATEN = {"slice": Aten(_slice, arranges=True)}
RULES: rules.Rules = {"starts": rules.POSITIONS, "ends": rules.POSITIONS, "axes": rules.AXES}
ONNX = {"Slice": Onnx(_onnx_slice, (1, 5), RULES)}
