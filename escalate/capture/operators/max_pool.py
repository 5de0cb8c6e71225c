"""max_pool in exported graphs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, pair_of
from escalate.capture.onnx_operator import Onnx, Value, padding_of
from escalate.capture.pooling import read_pool

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _max_pool2d(call: Call) -> str:
    if pair_of(call.arguments["dilation"]) != (1, 1):
        call.fail(f"dilation is {call.arguments['dilation']}, wanted 1")
    kernel = pair_of(call.arguments["kernel_size"])
    stride = pair_of(call.arguments["stride"] or kernel)
    return read_pool(call, "max_pool", kernel, stride, pair_of(call.arguments["padding"]))


def _onnx_max_pool(step: "Step", values: Mapping[str, Value]) -> Value:
    image, kernel = step.tensor(values), list(step.get("kernel_shape", ()))
    left, right, top, bottom = padding_of(step, image, kernel)
    strides, ceil = step.get("strides", [1, 1]), bool(step.get("ceil_mode", 0))
    if (left, top) != (right, bottom) or 2 * left > kernel[1] or 2 * top > kernel[0]:
        return step.fail(f"pads {(top, left, bottom, right)}, wanted the same on opposite sides")
    return functional.max_pool2d(image, kernel, strides, (top, left), ceil_mode=ceil)


ATEN = {"max_pool2d": Aten(_max_pool2d)}
RULES: rules.Rules = {**rules.POOL, "storage_order": rules.FLAG}
ONNX = {"MaxPool": Onnx(_onnx_max_pool, (1, 1), RULES, ("kernel_shape",))}
