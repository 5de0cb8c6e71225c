"""conv in exported graphs: convolutions and linear layers; a pad before one becomes its padding."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read, pair_of, shape_of
from escalate.capture.onnx_operator import (
    Onnx,
    Value,
    convolution_of,
    filled,
    kernels_of,
    padding_of,
    steps_of,
    through,
    weights_of,
)
from escalate.capture.tensor import Tensor
from workloads.layer import ConvLayer

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _steps(call: Call, argument: str, sizes: tuple[int, int]) -> tuple[int, int]:
    """A stride or a dilation (down, across); of one element it is the other direction's."""
    down, across = pair_of(call.arguments[argument])
    if sizes[0] == 1:
        return across, across
    return (down, down) if sizes[1] == 1 else (down, across)


def _conv_padding(
    call: Call, kernel: tuple[int, int], dilation: tuple[int, int]
) -> tuple[int, int, int, int]:
    padding = call.arguments["padding"]
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        down, across = (step * (size - 1) for step, size in zip(dilation, kernel, strict=True))
        return (down // 2, down - down // 2, across // 2, across - across // 2)
    down, across = pair_of(padding)
    return (down, down, across, across) if len(padding) > 1 else (0, 0, across, across)


def _conv(call: Call) -> str:
    weights, biases = call.parameter("weight"), call.parameter("bias")
    assert weights is not None
    source, draft = call.source("input"), call.draft
    if len(shape_of(call.arguments["input"])) != weights.ndim:
        call.fail(f"a tensor of shape {shape_of(call.arguments['input'])}, wanted (N, C, H, W)")
    weights = weights.reshape(*weights.shape[:2], *(1, *weights.shape[2:])[-2:])
    k, _, r, s = weights.shape
    c, h, w = draft.nodes[source].shape
    dilation = _steps(call, "dilation", (r, s))
    padding = _conv_padding(call, (r, s), dilation)
    stride = _steps(call, "stride", (h + padding[0] + padding[1], w + padding[2] + padding[3]))
    name = draft.fresh(call.parameter_path("weight") or "conv")
    groups = call.arguments["groups"]
    layer = ConvLayer(name, c, k, h, w, r, s, stride, padding, dilation, groups)
    call.count("weight", "bias")
    return draft.add_conv(
        layer, source, weights, np.zeros(k) if biases is None else biases, call.steps("weight")
    )


def _linear(call: Call) -> Read:
    weights, biases = call.parameter("weight"), call.parameter("bias")
    assert weights is not None
    return linear_product(call, call.operand("input"), weights, biases, ("weight", "bias"))


def linear_product(
    call: Call,
    tensor: Tensor,
    weights: np.ndarray,
    biases: np.ndarray | None,
    arguments: tuple[str, ...],
) -> Read:
    """A matrix that acts on the last axis: a 1x1 convolution of a plane of all others."""
    k, c = weights.shape
    others = tensor.shape[:-1]
    if len(others) > 2:
        others = (int(np.prod(others[:-1])), others[-1])
        tensor = tensor.reshaped((*others, c))
    source = call.made(tensor.moved((len(others), *range(len(others)))))
    draft, (_, h, w) = call.draft, call.draft.nodes[source].shape
    layer = ConvLayer(draft.fresh(call.parameter_path(arguments[0]) or "linear"), c, k, h, w)
    call.count(*arguments, linear=not others)
    kernel = weights[:, :, None, None]
    beside = np.zeros(k) if biases is None else biases
    name = draft.add_conv(layer, source, kernel, beside, call.steps(arguments[0]))
    made = Tensor(name, (k, *others)).moved((*range(1, len(others) + 1), 0))
    return made.reshaped(shape_of(call.node)[1:])


def _onnx_conv_module(step: "Step", constants: Mapping[str, np.ndarray]) -> nn.Module:
    weights = kernels_of(step, constants)
    groups = step.get("group", 1)
    k = weights.shape[0]
    step.steps = steps_of(step, 1, 0, k)
    if k % groups:
        step.fail(f"group is {groups}, wanted a divisor of the {k} filters")
    return convolution_of(step, constants, conv_module(step, weights, 2), weights)


def conv_module(step: "Step", weights: torch.Tensor, bias_at: int) -> nn.Conv2d:
    """A convolution for weights (K, C/groups, R, S), whose bias would be operand ``bias_at``."""
    groups, (k, c, r, s) = step.get("group", 1), weights.shape
    if list(step.get("kernel_shape", (r, s))) != [r, s]:
        step.fail(f"kernel_shape is {step.get('kernel_shape', ())}, the weights are {r} x {s}")
    return nn.Conv2d(
        c * groups,
        k,
        (r, s),
        stride=tuple(step.get("strides", (1, 1))),
        dilation=tuple(step.get("dilations", (1, 1))),
        groups=groups,
        bias=step.has(bias_at),
    )


def gemm_module(step: "Step", constants: Mapping[str, np.ndarray]) -> nn.Module:
    """A linear layer of a matrix of the file."""
    weights = weights_of(step, constants, 1)
    if weights.ndim != 2:
        step.fail("wanted an image's features times a matrix")
    if not step.get("transB", 0):
        weights = weights.T
    steps = steps_of(step, 1, 0 if step.get("transB", 0) else 1, weights.shape[0])
    step.steps = None if steps is None else steps * abs(step.get("alpha", 1.0))
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


ATEN = {
    "conv1d": Aten(_conv),
    "conv2d": Aten(_conv),
    "linear": Aten(_linear),
}
PRODUCT: rules.Rules = {
    "alpha": rules.NUMBER,
    "beta": rules.NUMBER,
    "transA": rules.only(0),
    "transB": rules.FLAG,
    "broadcast": rules.FLAG,
}
ONNX = {
    "Conv": Onnx(_onnx_conv, (2, 3), rules.CONV, make=_onnx_conv_module),
    "Gemm": Onnx(through, (2, 3), PRODUCT, make=gemm_module),
}
