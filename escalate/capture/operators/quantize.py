"""quantize in ONNX files: pairs that put tensors on a grid of 8-bit codes, and what reads codes.

A pair computes nothing of its own here: it says the range of a tensor, which calibration then
takes; where its lowest code is 0 it also cuts off what is negative, as a ReLU does.
torch has no operator of that meaning for any type of code, so that files are read through two that
are made here.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read
from escalate.capture.codes import Codes, codes_of, scale_of
from escalate.capture.onnx_operator import Act, Onnx, Value, filled, padding_of
from escalate.capture.operators import avg_pool, table
from escalate.capture.operators.conv import conv_module
from escalate.capture.stages import Clip
from escalate.capture.tensor import Tensor
from workloads.operator import ANY_NUMBER

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step

OF_MICROSOFT = "com.microsoft."


@torch.library.custom_op("escalate::quantize", mutates_args=())
def quantize(image: torch.Tensor, scale: float, zero: int, low: int, high: int) -> torch.Tensor:
    """The codes of numbers, as floats: x / scale + zero, half to even, clamped to low..high."""
    step = torch.tensor(scale, dtype=image.dtype)
    return ((image / step).round() + zero).clamp(low, high)


@quantize.register_fake
def _(image: torch.Tensor, scale: float, zero: int, low: int, high: int) -> torch.Tensor:
    return torch.empty_like(image)


@torch.library.custom_op("escalate::dequantize", mutates_args=())
def dequantize(image: torch.Tensor, scale: float, zero: int) -> torch.Tensor:
    """The numbers that codes stand for."""
    return (image - zero) * torch.tensor(scale, dtype=image.dtype)


@dequantize.register_fake
def _(image: torch.Tensor, scale: float, zero: int) -> torch.Tensor:
    return torch.empty_like(image)


def _quantize(call: Call) -> Read:
    """The tensor itself, whose node has the range of the codes."""
    tensor = call.operand("image")
    scale, zero, low, high = (call.arguments[k] for k in ("scale", "zero", "low", "high"))
    codes = Codes(scale, zero, low, high)
    draft = call.draft
    if not tensor.stages and draft.codes_behind(tensor.node) == codes:
        return replace(tensor, codes=codes)  # what moved or picked numbers of that grid
    is_image = not draft.nodes[tensor.node].inputs and not tensor.stages
    if codes.lowest == 0 and not is_image:  # pictures are clamped as they are quantized
        tensor = tensor.behind(Clip(codes.highest * scale))
    name = call.made(Tensor(tensor.node, draft.nodes[tensor.node].shape, tensor.stages))
    draft.ranged(name, codes)
    return Tensor(name, tensor.shape, (), tensor.view, codes=codes)


def _dequantize(call: Call) -> Read:
    tensor = call.operand("image")
    found = tensor.codes
    if found is None:
        call.fail("reads no codes that a QuantizeLinear before it made")
    scale, zero = call.arguments["scale"], call.arguments["zero"]
    if (found.scale, found.zero) != (scale, zero):
        told = f"scale {scale:g}, zero point {zero}"
        call.fail(f"{told}: its codes were made with {found.scale:g} and {found.zero}")
    return Tensor(tensor.node, tensor.shape, (), tensor.view)


def _quantized(step: "Step", values: Mapping[str, Value], image: torch.Tensor, at: int) -> Value:
    """The codes of a tensor, their scale and zero point operands ``at`` and behind it."""
    codes = codes_of(step, values, at)
    made: torch.Tensor = quantize(image, codes.scale, codes.zero, codes.low, codes.high)
    return made


def _dequantized(step: "Step", values: Mapping[str, Value], at: int) -> torch.Tensor:
    """The numbers of operand ``at``, whose scale and zero point stand behind it."""
    codes = codes_of(step, values, at + 1)
    value = values.get(step.inputs[at])
    if isinstance(value, np.ndarray):
        numbers = (value.astype(np.float32) - codes.zero) * np.float32(codes.scale)
        return torch.from_numpy(numbers)
    made: torch.Tensor = dequantize(step.tensor(values, at), codes.scale, codes.zero)
    return made


def _weights(step: "Step", constants: Mapping[str, np.ndarray], at: int) -> torch.Tensor:
    """Weights of which operand ``at`` has the codes, outputs first, and their steps kept."""
    codes, scale = (step.constant(constants, place) for place in (at, at + 1))
    zero = step.constant(constants, at + 2) if step.has(at + 2) else np.zeros(1)
    if zero.any():
        step.fail(f"{step.inputs[at + 2]} is not 0 everywhere, wanted weights without zero points")
    if step.kind != "QLinearConv" and not step.get("transB", 0):
        codes = codes.T
    outputs = codes.shape[0] if codes.ndim else 0
    if scale.size not in (1, outputs):
        step.fail(f"{step.inputs[at + 1]} has {scale.size} numbers, wanted 1 or {outputs}")
    steps = np.broadcast_to(scale_of(step, scale), (outputs,))
    step.steps = steps
    beside = steps.reshape(-1, *[1] * (codes.ndim - 1)).astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(codes.astype(np.float32) * beside))


def _bias(step: "Step", constants: Mapping[str, np.ndarray], at: int) -> torch.Tensor:
    """Biases, codes of 32 bits in steps of the input's times the weights'."""
    numbers = step.constant(constants, at).reshape(-1)
    scale = scale_of(step, step.constant(constants, 1)).reshape(())
    assert step.steps is not None
    if numbers.shape != step.steps.shape:
        step.fail(f"{step.inputs[at]} has {numbers.size} numbers, wanted {step.steps.size}")
    return torch.from_numpy((numbers * (scale * step.steps)).astype(np.float32))


def _conv_module(step: "Step", constants: Mapping[str, np.ndarray]) -> nn.Module:
    weights = _weights(step, constants, 3)
    groups = step.get("group", 1)
    if weights.ndim != 4 or weights.shape[0] % groups:
        step.fail(f"weights are {list(weights.shape)} in {groups} groups, wanted 4 axes")
    module = conv_module(step, weights, 8)
    if not step.has(8):
        return filled(module, weight=weights)
    return filled(module, weight=weights, bias=_bias(step, constants, 8))


def _conv(step: "Step", values: Mapping[str, Value]) -> Value:
    image, module = _dequantized(step, values, 0), step.module
    assert isinstance(module, nn.Conv2d)
    edges = padding_of(step, image, list(module.weight.shape[2:]))
    return _quantized(step, values, module(functional.pad(image, edges)), 6)


def _product_module(step: "Step", constants: Mapping[str, np.ndarray]) -> nn.Module:
    weights = _weights(step, constants, 3)
    if weights.ndim != 2:
        step.fail(f"weights are {list(weights.shape)}, wanted a matrix")
    biased = step.kind != "QLinearMatMul" and step.has(6)
    module = nn.Linear(weights.shape[1], weights.shape[0], bias=biased)
    if not biased:
        return filled(module, weight=weights)
    return filled(module, weight=weights, bias=_bias(step, constants, 6))


def _product(step: "Step", values: Mapping[str, Value]) -> Value:
    assert step.module is not None
    made = step.module(_dequantized(step, values, 0))
    at = 6 if step.kind == "QLinearMatMul" else 7
    return _quantized(step, values, made, at) if step.has(at) else made


def _of_one(act: Act, attributes: rules.Rules | None = None) -> Onnx:
    """ONNX's own operator of one tensor between codes."""

    def between(step: "Step", values: Mapping[str, Value]) -> Value:
        numbers = act(step, {**values, step.inputs[0]: _dequantized(step, values, 0)})
        assert isinstance(numbers, torch.Tensor)
        return _quantized(step, values, numbers, 3)

    return Onnx(between, (5, 5), {**(attributes or {}), "channels_last": rules.only(0)})


def _of_two(act: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Onnx:
    """An operator of two tensors between codes."""

    def between(step: "Step", values: Mapping[str, Value]) -> Value:
        operands = (_dequantized(step, values, place) for place in (0, 3))
        return _quantized(step, values, act(*operands), 6)

    return Onnx(between, (8, 8))


def _concat(step: "Step", values: Mapping[str, Value]) -> Value:
    parts = [_dequantized(step, values, place) for place in range(2, len(step.inputs), 3)]
    return _quantized(step, values, torch.cat(parts, step.get("axis", 1)), 0)


def _plane_mean(step: "Step", values: Mapping[str, Value]) -> Value:
    return step.tensor(values).mean((2, 3), keepdim=True)


AVERAGE, LEAKY = avg_pool.ONNX["AveragePool"], table.ONNX["LeakyRelu"]
ATEN = {"escalate::quantize": Aten(_quantize), "escalate::dequantize": Aten(_dequantize)}
CODES: rules.Rules = {
    "axis": rules.ANYTHING,
    "block_size": rules.only(0),
    "output_dtype": rules.ANYTHING,
    "precision": rules.ANYTHING,
    "saturate": rules.ANYTHING,
}
PRODUCT: rules.Rules = {
    "alpha": rules.only(1.0),
    "transA": rules.only(0),
    "transB": rules.FLAG,
}
ONNX = {
    "DequantizeLinear": Onnx(lambda step, v: _dequantized(step, v, 0), (2, 3), CODES),
    "QLinearConv": Onnx(_conv, (8, 9), rules.CONV, make=_conv_module),
    "QLinearMatMul": Onnx(_product, (8, 8), make=_product_module),
    "QuantizeLinear": Onnx(lambda step, v: _quantized(step, v, step.tensor(v), 1), (2, 3), CODES),
    OF_MICROSOFT + "QGemm": Onnx(_product, (6, 9), PRODUCT, make=_product_module),
    OF_MICROSOFT + "QLinearAdd": _of_two(torch.add),
    OF_MICROSOFT + "QLinearAveragePool": _of_one(AVERAGE.act, AVERAGE.attributes),
    OF_MICROSOFT + "QLinearConcat": Onnx(_concat, (5, ANY_NUMBER), {"axis": rules.AXIS}),
    OF_MICROSOFT + "QLinearGlobalAveragePool": _of_one(_plane_mean),
    OF_MICROSOFT + "QLinearLeakyRelu": _of_one(LEAKY.act, LEAKY.attributes),
    OF_MICROSOFT + "QLinearMul": _of_two(torch.mul),
    OF_MICROSOFT + "QLinearSigmoid": _of_one(lambda step, v: step.tensor(v).sigmoid()),
}
