"""Batch norms in exported graphs, which are folded into the convolution before them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call
from escalate.capture.onnx_operator import Onnx, filled, through, vector_of, weights_of

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _batch_norm(call: Call) -> str:
    name = call.source("input")
    node = call.draft.nodes[name]
    if node.layer is None or node.relu or not call.is_sole_reader("input"):
        call.fail("wanted right behind a convolution whose output nothing else reads")
    mean, variance = call.parameter("running_mean"), call.parameter("running_var")
    if call.arguments["training"] or mean is None or variance is None:
        call.fail("normalizes by the batch's own statistics, wanted running statistics")
    scale, shift = call.parameter("weight"), call.parameter("bias")
    factor = (1.0 if scale is None else scale) / np.sqrt(variance + call.arguments["eps"])
    call.draft.scale_conv(name, factor, (0.0 if shift is None else shift) - mean * factor)
    call.draft.parameters += sum(array.size for array in (scale, shift) if array is not None)
    return name


def _onnx_module(step: "Step", constants: Mapping[str, np.ndarray]) -> nn.Module:
    size = weights_of(step, constants, 1).numel()
    scale, shift, mean, variance = (vector_of(step, constants, n, size) for n in range(1, 5))
    module = nn.BatchNorm2d(size, eps=step.get("epsilon", 1e-5))
    return filled(module, weight=scale, bias=shift, running_mean=mean, running_var=variance)


ATEN = {"batch_norm": Aten(_batch_norm)}
NORM: rules.Rules = {
    "epsilon": rules.NUMBER,
    "momentum": rules.ANYTHING,
    "consumed_inputs": rules.ANYTHING,
    "spatial": rules.only(1),
    "is_test": rules.only(1),
    "training_mode": rules.only(0),
}
ONNX = {"BatchNormalization": Onnx(through, (5, 5), NORM, make=_onnx_module, trained=True)}
