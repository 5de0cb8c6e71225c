"""affine in exported graphs: batch norms, which fold into a convolution where they can."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read
from escalate.capture.elementwise import plus, times, with_constant
from escalate.capture.onnx_operator import Onnx, filled, through, vector_of, weights_of

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _batch_norm(call: Call) -> Read:
    tensor = call.operand("input")
    mean, variance = call.parameter("running_mean"), call.parameter("running_var")
    training = call.arguments.get("training", call.arguments.get("use_input_stats", False))
    if training or mean is None or variance is None:
        call.fail("normalizes by the batch's own statistics, wanted running statistics")
    scale, shift = call.parameter("weight"), call.parameter("bias")
    factor = (1.0 if scale is None else scale) / np.sqrt(variance + call.arguments["eps"])
    call.count("weight", "bias")
    offset = (0.0 if shift is None else shift) - mean * factor
    beside = (-1, *[1] * (len(tensor.shape) - 1))
    tensor = with_constant(call, tensor, factor.reshape(beside), times)
    return with_constant(call, tensor, offset.reshape(beside), plus)


def _onnx_module(step: "Step", constants: Mapping[str, np.ndarray]) -> nn.Module:
    size = weights_of(step, constants, 1).numel()
    scale, shift, mean, variance = (vector_of(step, constants, n, size) for n in range(1, 5))
    module = _BatchNorm(size, eps=step.get("epsilon", 1e-5))
    return filled(module, weight=scale, bias=shift, running_mean=mean, running_var=variance)


class _BatchNorm(nn.BatchNorm2d):
    """Of any number of axes, as ONNX has it."""

    def _check_input_dim(self, input: object) -> None:
        return


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
