"""avg_pool in exported graphs: pools, adaptive pools to windows of one size, means of planes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, pair_of, shape_of
from escalate.capture.onnx_operator import Onnx, Value, axes_of, padding_of
from escalate.capture.pooling import read_pool

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _avg_pool2d(call: Call) -> str:
    kernel, padding = pair_of(call.arguments["kernel_size"]), pair_of(call.arguments["padding"])
    if padding != (0, 0) and not call.arguments["count_include_pad"]:
        call.fail("count_include_pad is False, wanted a mean that counts the padding")
    if call.arguments["divisor_override"] is not None:
        call.fail("divisor_override is not supported")
    return read_pool(call, "avg_pool", kernel, pair_of(call.arguments["stride"] or kernel), padding)


def _adaptive_avg_pool2d(call: Call) -> str:
    call.source()
    call.require_planes()
    h, w = shape_of(call.arguments["self"])[2:]
    p, q = pair_of(call.arguments["output_size"])
    if h % p or w % q:
        call.fail(f"from {h}x{w} to {p}x{q}, wanted windows of one size")
    kernel = (h // p, w // q)
    return read_pool(call, "avg_pool", kernel, kernel, (0, 0))


def _mean(call: Call) -> str:
    call.source()
    shape = shape_of(call.arguments["self"])
    axes = {axis % len(shape) for axis in call.arguments.get("dim") or range(len(shape))}
    if len(shape) != 4 or axes != {2, 3}:
        call.fail(f"over axes {sorted(axes)} of shape {shape}, wanted 2 and 3 of (N, C, H, W)")
    return read_pool(call, "avg_pool", (shape[2], shape[3]), (shape[2], shape[3]), (0, 0))


def _onnx_average_pool(step: "Step", values: Mapping[str, Value]) -> Value:
    image, kernel = step.tensor(values), list(step.get("kernel_shape", ()))
    left, right, top, bottom = padding_of(step, image, kernel)
    if (left, top) != (right, bottom):
        step.fail(f"pads {(top, left, bottom, right)}, wanted the same on opposite sides")
    return functional.avg_pool2d(
        image,
        kernel,
        step.get("strides", [1, 1]),
        (top, left),
        ceil_mode=bool(step.get("ceil_mode", 0)),
        count_include_pad=bool(step.get("count_include_pad", 0)) or not (left or top),
    )


def _onnx_reduce_mean(step: "Step", values: Mapping[str, Value]) -> Value:
    axes = axes_of(step, values)
    if not axes:
        step.fail("axes are missing: a mean over all axes mixes images, wanted axes = [2, 3]")
    return step.tensor(values).mean(axes, keepdim=bool(step.get("keepdims", 1)))


ATEN = {
    "avg_pool2d": Aten(_avg_pool2d),
    "adaptive_avg_pool2d": Aten(_adaptive_avg_pool2d),
    "mean": Aten(_mean),
}
POOL: rules.Rules = {**rules.POOL, "count_include_pad": rules.FLAG}
MEAN: rules.Rules = {
    "axes": rules.AXES,
    "keepdims": rules.FLAG,
    "noop_with_empty_axes": rules.FLAG,
}
ONNX = {
    "AveragePool": Onnx(_onnx_average_pool, (1, 1), POOL, ("kernel_shape",)),
    "GlobalAveragePool": Onnx(lambda step, v: step.tensor(v).mean((2, 3), keepdim=True)),
    "ReduceMean": Onnx(_onnx_reduce_mean, (1, 2), MEAN),
}
