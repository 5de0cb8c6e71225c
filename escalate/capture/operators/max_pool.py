"""max_pool in exported graphs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read, pair_of, shape_of
from escalate.capture.onnx_operator import Onnx, Value, axes_of, padding_of
from escalate.capture.pooling import Window, read_pool, window_of
from escalate.capture.tensor import Tensor

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _global(call: Call) -> str:
    """The maximum of a whole plane."""
    shape = shape_of(call.arguments["self"])
    axes = call.arguments.get("dim")
    axes = (
        range(len(shape)) if not axes and axes != 0 else axes if isinstance(axes, list) else [axes]
    )
    if len(shape) != 4 or {axis % 4 for axis in axes} != {2, 3}:
        call.fail(f"over axes {list(axes)} of shape {shape}, wanted 2 and 3 of (N, C, H, W)")
    return read_pool(call, "max_pool", Window(shape[2:], shape[2:]))


def _adaptive(call: Call) -> Read:
    call.require_planes()
    h, w = shape_of(call.arguments["self"])[2:]
    p, q = pair_of(call.arguments["output_size"])
    if h % p or w % q:
        call.fail(f"from {h}x{w} to {p}x{q}, wanted windows of one size")
    made = read_pool(call, "max_pool", Window((h // p, w // q), (h // p, w // q)))
    return [Tensor(made, call.draft.nodes[made].shape)]  # the places of the maxima are not read


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
    "adaptive_max_pool2d": Aten(_adaptive),
    "amax": Aten(_global),
    "max_pool2d": Aten(lambda call: read_pool(call, "max_pool", window_of(call))),
}
RULES: rules.Rules = {**rules.POOL, "dilations": rules.TWO, "storage_order": rules.FLAG}
ONNX = {
    "GlobalMaxPool": Onnx(lambda step, v: step.tensor(v).amax((2, 3), keepdim=True)),
    "MaxPool": Onnx(_onnx_max_pool, (1, 1), RULES, ("kernel_shape",)),
    "ReduceMax": Onnx(_onnx_reduce_max, (1, 2), rules.REDUCE),
}
