"""avg_pool in exported graphs: pools, adaptive pools to windows of one size, means of planes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call
from escalate.capture.onnx_operator import Onnx, Value, axes_of, padding_of
from escalate.capture.pooling import adaptive_pool, over_axes, read_pool, window_of

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _avg_pool2d(call: Call) -> str:
    if call.arguments["divisor_override"] is not None:
        call.fail("divisor_override is not supported")
    counts_padding = bool(call.arguments["count_include_pad"])
    return read_pool(call, "avg_pool", window_of(call), counts_padding=counts_padding)


def _onnx_average_pool(step: "Step", values: Mapping[str, Value]) -> Value:
    image, kernel = step.tensor(values), list(step.get("kernel_shape", ()))
    left, right, top, bottom = padding_of(step, image, kernel)
    if list(step.get("dilations", [1, 1])) != [1, 1]:
        step.fail(f"dilations is {step.get('dilations', ())}, wanted 1")
    strides, ceil = step.get("strides", [1, 1]), bool(step.get("ceil_mode", 0))
    counts = bool(step.get("count_include_pad", 0)) or not any((left, right, top, bottom))
    if (left, top) == (right, bottom):
        return functional.avg_pool2d(image, kernel, strides, (top, left), ceil, counts)
    if ceil:
        step.fail("ceil_mode beside padding of two sizes")
    if counts:
        padded = functional.pad(image, (left, right, top, bottom))
        return functional.avg_pool2d(padded, kernel, strides)
    return _uncounted(step, image, kernel, (left, right, top, bottom))


def _uncounted(
    step: "Step", image: torch.Tensor, kernel: list[int], edges: tuple[int, int, int, int]
) -> torch.Tensor:
    """Means that leave padding out: windows that hang over below and right do, too."""
    kernel, strides, before = list(kernel), list(step.get("strides", [1, 1])), [edges[2], edges[0]]
    windows = []
    for axis, behind in enumerate((edges[3], edges[1])):
        side = image.shape[2 + axis]
        windows.append((side + before[axis] + behind - kernel[axis]) // strides[axis] + 1)
        if windows[axis] == 1 and kernel[axis] >= side + before[axis]:
            kernel[axis], before[axis] = side, 0  # the one window holds all there is
    pooled = functional.avg_pool2d(image, kernel, strides, before, True, False)
    if pooled.shape[2] < windows[0] or pooled.shape[3] < windows[1]:
        step.fail(f"pads {edges} leave windows of padding alone")
    return pooled[:, :, : windows[0], : windows[1]]


def _onnx_reduce_mean(step: "Step", values: Mapping[str, Value]) -> Value:
    axes = axes_of(step, values)
    if not axes:
        step.fail("axes are missing: a mean over all axes mixes images, wanted axes = [2, 3]")
    return step.tensor(values).mean(axes, keepdim=bool(step.get("keepdims", 1)))


ATEN = {
    "avg_pool2d": Aten(_avg_pool2d),
    "adaptive_avg_pool2d": Aten(lambda call: adaptive_pool(call, "avg_pool")),
    "mean": Aten(lambda call: over_axes(call, "avg_pool")),
}
POOL: rules.Rules = {**rules.POOL, "count_include_pad": rules.FLAG}
ONNX = {
    "AveragePool": Onnx(_onnx_average_pool, (1, 1), POOL, ("kernel_shape",)),
    "GlobalAveragePool": Onnx(lambda step, v: step.tensor(v).mean((2, 3), keepdim=True)),
    "ReduceMean": Onnx(_onnx_reduce_mean, (1, 2), rules.REDUCE),
}
