"""conv in exported graphs: convolutions and linear layers; a pad before one becomes its padding."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch import nn
from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, pair_of, shape_of
from escalate.capture.onnx_operator import (
    Onnx,
    Value,
    filled,
    padding_of,
    through,
    vector_of,
    weights_of,
)
from workloads.layer import ConvLayer

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _equal_pair(call: Call, argument: str) -> int:
    down, across = pair_of(call.arguments[argument])
    if down != across:
        call.fail(f"{argument} is {down}x{across}, wanted both equal")
    return down


def _conv_padding(call: Call, kernel: tuple[int, int], dilation: int) -> tuple[int, int, int, int]:
    padding = call.arguments["padding"]
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        down, across = (dilation * (size - 1) for size in kernel)
        return (down // 2, down - down // 2, across // 2, across - across // 2)
    down, across = pair_of(padding)
    return (down, down, across, across)


def _conv2d(call: Call) -> str:
    weights, biases = call.parameter("weight"), call.parameter("bias")
    assert weights is not None
    source, draft = call.source("input"), call.draft
    call.require_planes("input")
    k, _, r, s = weights.shape
    stride, dilation = _equal_pair(call, "stride"), _equal_pair(call, "dilation")
    padding = _conv_padding(call, (r, s), dilation)
    before = draft.nodes[source]
    if before.op == "pad" and call.is_sole_reader("input"):
        channels_before, channels_after, *edges = before.attributes["padding"]
        if channels_before == channels_after == 0:
            padding = tuple(own + edge for own, edge in zip(padding, edges, strict=True))
            source = draft.nodes.pop(source).inputs[0]
    c, h, w = draft.nodes[source].shape
    name = draft.fresh(call.parameter_path("weight") or "conv")
    groups = call.arguments["groups"]
    layer = ConvLayer(name, c, k, h, w, r, s, stride, padding, dilation, groups)
    draft.parameters += weights.size + (0 if biases is None else biases.size)
    return draft.add_conv(layer, source, weights, np.zeros(k) if biases is None else biases)


def _linear(call: Call) -> str:
    weights, biases = call.parameter("weight"), call.parameter("bias")
    assert weights is not None
    source, draft = call.source("input"), call.draft
    if len(shape_of(call.arguments["input"])) != 2:
        call.fail(f"input of shape {shape_of(call.arguments['input'])}, wanted (N, C)")
    k, c = weights.shape
    layer = ConvLayer(draft.fresh(call.parameter_path("weight") or "linear"), c, k, 1, 1)
    count = weights.size + (0 if biases is None else biases.size)
    draft.parameters += count
    draft.linear_parameters += count
    kernel = weights[:, :, None, None]
    return draft.add_conv(layer, source, kernel, np.zeros(k) if biases is None else biases)


def _onnx_conv_module(step: "Step", constants: Mapping[str, np.ndarray]) -> nn.Module:
    weights = weights_of(step, constants, 1)
    if weights.ndim != 4:
        step.fail(f"weights have {weights.ndim} axes, wanted 4")
    groups, biased = step.get("group", 1), step.has(2)
    k, c, r, s = weights.shape
    if k % groups:
        step.fail(f"group is {groups}, wanted a divisor of the {k} filters")
    if list(step.get("kernel_shape", (r, s))) != [r, s]:
        step.fail(f"kernel_shape is {step.get('kernel_shape', ())}, the weights are {r} x {s}")
    module = nn.Conv2d(
        c * groups,
        k,
        (r, s),
        stride=tuple(step.get("strides", (1, 1))),
        dilation=tuple(step.get("dilations", (1, 1))),
        groups=groups,
        bias=biased,
    )
    tensors = {"weight": weights} | ({"bias": vector_of(step, constants, 2, k)} if biased else {})
    return filled(module, **tensors)


def _onnx_gemm_module(step: "Step", constants: Mapping[str, np.ndarray]) -> nn.Module:
    weights = weights_of(step, constants, 1)
    if weights.ndim != 2:
        step.fail("wanted an image's features times a matrix")
    if not step.get("transB", 0):
        weights = weights.T
    biased = step.has(2)
    module = nn.Linear(weights.shape[1], weights.shape[0], bias=biased)
    tensors = {"weight": weights.contiguous() * step.get("alpha", 1.0)}
    if biased:
        bias, outputs = weights_of(step, constants, 2) * step.get("beta", 1.0), weights.shape[0]
        if bias.numel() not in (1, outputs) or bias.shape[:-1] not in ((), (1,)):
            step.fail(f"bias has shape {list(bias.shape)}, wanted one value for each output")
        tensors["bias"] = bias.reshape(-1).expand(outputs).contiguous()
    return filled(module, **tensors)


def _onnx_conv(step: "Step", values: Mapping[str, Value]) -> Value:
    image, module = step.tensor(values), step.module
    assert isinstance(module, nn.Conv2d)
    edges = padding_of(step, image, list(module.weight.shape[2:]))
    return module(functional.pad(image, edges) if any(edges) else image)


ATEN = {"conv2d": Aten(_conv2d), "linear": Aten(_linear)}
PRODUCT: rules.Rules = {
    "alpha": rules.NUMBER,
    "beta": rules.NUMBER,
    "transA": rules.only(0),
    "transB": rules.FLAG,
    "broadcast": rules.FLAG,
}
ONNX = {
    "Conv": Onnx(_onnx_conv, (2, 3), rules.CONV, make=_onnx_conv_module),
    "Gemm": Onnx(through, (2, 3), PRODUCT, make=_onnx_gemm_module),
    "MatMul": Onnx(through, (2, 2), make=_onnx_gemm_module),
}
