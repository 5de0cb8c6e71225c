"""max_pool in exported graphs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read
from escalate.capture.onnx_operator import Onnx, Value, axes_of, padding_of
from escalate.capture.pooling import adaptive_pool, over_axes, read_pool, window_of

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _maximum(call: Call) -> Read:
    """Over axes, or of two tensors; of the places of the maxima nothing is read."""
    if "other" in call.arguments:
        call.fail("of two tensors, wanted torch.maximum")
    found = over_axes(call, "max_pool")
    return [found] if call.arguments.get("dim") is not None else found


def _onnx_reduce_max(step: "Step", values: Mapping[str, Value]) -> Value:
    axes = axes_of(step, values)
    if not axes:
        step.fail("axes are missing: a maximum over all axes mixes images, wanted axes = [2, 3]")
    return step.tensor(values).amax(axes, keepdim=bool(step.get("keepdims", 1)))


def _onnx_max_pool(step: "Step", values: Mapping[str, Value]) -> Value:
    image, kernel = step.tensor(values), list(step.get("kernel_shape", ()))
    left, right, top, bottom = padding_of(step, image, kernel)
    strides, ceil = step.get("strides", [1, 1]), bool(step.get("ceil_mode", 0))
    dilations = step.get("dilations", [1, 1])
    if (left, top) != (right, bottom) or 2 * left > kernel[1] or 2 * top > kernel[0]:
        edges = (left, right, top, bottom)
        image, (top, left) = functional.pad(image, edges, value=float("-inf")), (0, 0)
    return functional.max_pool2d(image, kernel, strides, (top, left), dilations, ceil_mode=ceil)


ATEN = {
    "adaptive_max_pool2d": Aten(lambda call: [adaptive_pool(call, "max_pool")]),  # places: not read
    "amax": Aten(lambda call: over_axes(call, "max_pool")),
    "max": Aten(_maximum),
    "max_pool2d": Aten(lambda call: read_pool(call, "max_pool", window_of(call))),
}
RULES: rules.Rules = {**rules.POOL, "storage_order": rules.FLAG}
ONNX = {
    "GlobalMaxPool": Onnx(lambda step, v: step.tensor(v).amax((2, 3), keepdim=True)),
    "MaxPool": Onnx(_onnx_max_pool, (1, 1), RULES, ("kernel_shape",)),
    "ReduceMax": Onnx(_onnx_reduce_max, (1, 2), rules.REDUCE),
}
