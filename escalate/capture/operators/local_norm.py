"""local_norm in exported graphs: AlexNet's normalization over neighbour channels.

torch has no operator of its own for it, so that files are read through one that is made here.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read
from escalate.capture.onnx_operator import Onnx, Value
from escalate.capture.tensor import Tensor

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


@torch.library.custom_op("escalate::local_norm", mutates_args=())
def local_norm(
    image: torch.Tensor, size: int, alpha: float, beta: float, bias: float
) -> torch.Tensor:
    """The operator, as torch.export sees it; its numbers are those of ``workloads``."""
    from workloads.graph import Node
    from workloads.operators.local_norm import OPERATOR

    attributes = {"size": size, "alpha": alpha, "beta": beta, "bias": bias}
    shape = (image.shape[1], image.shape[2], image.shape[3])
    return OPERATOR.floats(Node("n", "local_norm", ("x",), shape, attributes=attributes), [image])


@local_norm.register_fake
def _(image: torch.Tensor, size: int, alpha: float, beta: float, bias: float) -> torch.Tensor:
    return torch.empty_like(image)


def _read(call: Call) -> str:
    source = call.source("image")
    return call.add(
        "local_norm", (source,), {k: call.arguments[k] for k in ("size", "alpha", "beta", "bias")}
    )


def _restored(call: Call) -> Read:
    """A norm that was spelled out; torch has the longer side before a channel."""
    arguments: Any = call.node.args
    values, (before, behind), *rest = arguments
    tensor = call.tensor(values)
    numbers = [call.constant(each) for each in rest]
    if tensor is None or len(tensor.shape) != 3 or any(n is None or n.size != 1 for n in numbers):
        call.fail("a norm over channels, wanted one of (N, C, H, W) with three numbers")
    alpha, beta, bias = (float(each.reshape(())) for each in numbers if each is not None)
    size, turned = before + behind + 1, before > behind
    attributes = {"size": size, "alpha": alpha, "beta": beta, "bias": bias}
    if turned:
        tensor = _upside_down(tensor)
    shape = (tensor.shape[0], tensor.shape[1], tensor.shape[2])
    name = call.draft.add(call.path, "local_norm", (call.made(tensor),), shape, attributes)
    return _upside_down(Tensor(name, shape)) if turned else Tensor(name, shape)


def _upside_down(tensor: Tensor) -> Tensor:
    """The last channel first."""
    return tensor.seen(tensor.at[::-1])


def _onnx(step: "Step", values: Mapping[str, Value]) -> Value:
    alpha, beta = step.get("alpha", 1e-4), step.get("beta", 0.75)
    made: torch.Tensor = local_norm(
        step.tensor(values), step.get("size", 1), alpha, beta, step.get("bias", 1.0)
    )
    return made


ATEN = {"escalate::local_norm": Aten(_read), "local_normed": Aten(_restored)}
LRN: rules.Rules = {
    "size": rules.GROUPS,
    **dict.fromkeys(("alpha", "beta", "bias"), rules.NUMBER),
}
ONNX = {"LRN": Onnx(_onnx, (1, 1), LRN, ("size",))}
