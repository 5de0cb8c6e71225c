"""local_norm in exported graphs: AlexNet's normalization over neighbour channels.

torch has no operator of its own for it, so that files are read through one that is made here.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call
from escalate.capture.onnx_operator import Onnx, Value

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


def _onnx(step: "Step", values: Mapping[str, Value]) -> Value:
    alpha, beta = step.get("alpha", 1e-4), step.get("beta", 0.75)
    made: torch.Tensor = local_norm(
        step.tensor(values), step.get("size", 1), alpha, beta, step.get("bias", 1.0)
    )
    return made


ATEN = {"escalate::local_norm": Aten(_read)}
LRN: rules.Rules = {
    "size": rules.GROUPS,
    **dict.fromkeys(("alpha", "beta", "bias"), rules.NUMBER),
}
ONNX = {"LRN": Onnx(_onnx, (1, 1), LRN, ("size",))}
