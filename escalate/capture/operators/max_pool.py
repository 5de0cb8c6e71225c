"""max_pool in exported graphs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read
from escalate.capture.onnx_operator import Onnx, Value, axes_of, padding_of
from escalate.capture.operators.table import extreme
from escalate.capture.pooling import adaptive_pool, over_axes, read_pool, window_of, windows_along

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _maximum(call: Call) -> Read:
    """Over axes, or of two tensors; of the places of the maxima nothing is read."""
    if "other" in call.arguments:
        return extreme(call, "maximum")
    found = over_axes(call, "max_pool")
    return [found] if call.arguments.get("dim") is not None else found


def _onnx_reduce_max(step: "Step", values: Mapping[str, Value]) -> Value:
    axes = axes_of(step, values)
    if not axes:
        step.fail("axes are missing: a maximum over all axes mixes images, wanted axes = [2, 3]")
    return step.tensor(values).amax(axes, keepdim=bool(step.get("keepdims", 1)))


def _behind(side: int, edges: tuple[int, int], size: int, stride: int, step: int) -> int:
    """Padding behind a side with which the windows of ``ceil_mode`` are those of no such mode."""
    reach = (size - 1) * step + 1
    windows = windows_along(side, edges, reach, stride, ceil=True)
    return max((windows - 1) * stride + reach - side - edges[0], 0)


def _onnx_max_pool(step: "Step", values: Mapping[str, Value]) -> Value:
    image, kernel = step.tensor(values), list(step.get("kernel_shape", ()))
    left, right, top, bottom = padding_of(step, image, kernel)
    strides, ceil = step.get("strides", [1, 1]), bool(step.get("ceil_mode", 0))
    dilations = step.get("dilations", [1, 1])
    if (left, top) != (right, bottom) or 2 * left > kernel[1] or 2 * top > kernel[0]:
        if ceil:  # as much behind as the last window needs
            bottom, right = (
                _behind(side, pads, *window)
                for side, pads, *window in zip(
                    image.shape[2:],
                    ((top, bottom), (left, right)),
                    kernel,
                    strides,
                    dilations,
                    strict=True,
                )
            )
        edges = (left, right, top, bottom)
        image, (top, left), ceil = functional.pad(image, edges, value=float("-inf")), (0, 0), False
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
