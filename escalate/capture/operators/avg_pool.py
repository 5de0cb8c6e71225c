"""avg_pool in exported graphs: pools, adaptive pools, means of planes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call
from escalate.capture.onnx_operator import Onnx, Value, axes_of, padding_of
from escalate.capture.pooling import (
    Window,
    adaptive_pool,
    counted_in,
    over_axes,
    read_pool,
    window_of,
    windows_along,
)

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _avg_pool2d(call: Call) -> str:
    if call.arguments["divisor_override"] is not None:
        call.fail("divisor_override is not supported")
    counts_padding = bool(call.arguments["count_include_pad"])
    return read_pool(call, "avg_pool", window_of(call), counts_padding=counts_padding)


@torch.library.custom_op("escalate::mean_pool", mutates_args=())
def mean_pool(
    image: torch.Tensor,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    rows: list[int],
    columns: list[int],
) -> torch.Tensor:
    """Means that torch has no operator for; their numbers are those of ``workloads``."""
    from workloads.graph import Node
    from workloads.operators.avg_pool import OPERATOR

    attributes = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    attributes |= {"rows": rows, "columns": columns}
    shape = (image.shape[1], len(rows), len(columns))
    return OPERATOR.floats(Node("n", "avg_pool", ("x",), shape, attributes=attributes), [image])


@mean_pool.register_fake
def _(
    image: torch.Tensor,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    rows: list[int],
    columns: list[int],
) -> torch.Tensor:
    return image.new_empty((*image.shape[:2], len(rows), len(columns)))


def _mean_pool(call: Call) -> str:
    source = call.source("image")
    words = ("kernel", "stride", "padding", "dilation", "rows", "columns")
    return call.add("avg_pool", (source,), {word: [*call.arguments[word]] for word in words})


def _mean_of_volume(step: "Step", image: torch.Tensor, kernel: list[int]) -> torch.Tensor:
    """A mean over a third axis, as exporters spell a norm over neighbour channels."""
    if any(step.get("pads", ())) or step.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        step.fail("pads three axes, wanted no padding")
    if step.get("ceil_mode", 0) or set(step.get("dilations", (1,))) != {1}:
        step.fail("ceil_mode or dilations on three axes, wanted neither")
    return functional.avg_pool3d(image, kernel, list(step.get("strides", (1, 1, 1))))


def _onnx_average_pool(step: "Step", values: Mapping[str, Value]) -> Value:
    image, kernel = step.tensor(values), list(step.get("kernel_shape", ()))
    if len(kernel) == 3:
        return _mean_of_volume(step, image, kernel)
    left, right, top, bottom = padding_of(step, image, kernel)
    strides, ceil = list(step.get("strides", [1, 1])), bool(step.get("ceil_mode", 0))
    dilations = list(step.get("dilations", [1, 1]))
    counts = bool(step.get("count_include_pad", 0)) or not any((left, right, top, bottom))
    fits = 2 * left <= kernel[1] and 2 * top <= kernel[0]  # as torch wants it
    if (left, top) == (right, bottom) and dilations == [1, 1] and fits:
        return functional.avg_pool2d(image, kernel, strides, (top, left), ceil, counts)
    window = Window(
        (kernel[0], kernel[1]),
        (strides[0], strides[1]),
        (top, left),
        (dilations[0], dilations[1]),
    )
    padding: list[int] = []
    counted = []
    for axis, behind in enumerate((bottom, right)):
        side, before = image.shape[2 + axis], window.padding[axis]
        reach, stride = window.reach[axis], strides[axis]
        room = side + before + behind - reach
        if room < 0:
            step.fail(f"the kernel reaches over {reach}, the padded plane has {room + reach}")
        windows = windows_along(side, (before, behind), reach, stride, ceil)
        padding += [before, max(behind, (windows - 1) * stride + reach - side - before)]
        inside = (-before, side + behind) if counts else (0, side)
        counted.append(counted_in(window, axis, windows, inside))
        if 0 in counted[-1]:
            step.fail(f"pads {(top, left, bottom, right)} leave windows of padding alone")
    made: torch.Tensor = mean_pool(image, kernel, strides, padding, dilations, *counted)
    return made


def _onnx_reduce_mean(step: "Step", values: Mapping[str, Value]) -> Value:
    axes = axes_of(step, values)
    if not axes:
        step.fail("axes are missing: a mean over all axes mixes images, wanted axes = [2, 3]")
    return step.tensor(values).mean(axes, keepdim=bool(step.get("keepdims", 1)))


ATEN = {
    "avg_pool2d": Aten(_avg_pool2d),
    "adaptive_avg_pool2d": Aten(lambda call: adaptive_pool(call, "avg_pool")),
    "escalate::mean_pool": Aten(_mean_pool),
    "mean": Aten(lambda call: over_axes(call, "avg_pool")),
}
POOL: rules.Rules = {
    **rules.POOL,
    **dict.fromkeys(("kernel_shape", "strides", "dilations"), rules.TWO_OR_THREE),
    "pads": rules.FOUR_OR_SIX,
    "count_include_pad": rules.FLAG,
}
ONNX = {
    "AveragePool": Onnx(_onnx_average_pool, (1, 1), POOL, ("kernel_shape",)),
    "GlobalAveragePool": Onnx(lambda step, v: step.tensor(v).mean((2, 3), keepdim=True)),
    "ReduceMean": Onnx(_onnx_reduce_mean, (1, 2), rules.REDUCE),
}
