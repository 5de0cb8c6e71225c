"""relu in exported graphs: ReLU, ReLU6, clamps from 0; fused where the operator before clamps."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call
from escalate.capture.onnx_operator import Onnx, Value

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _activation(call: Call, maximum: float | None) -> str:
    source, draft = call.source(), call.draft
    if not draft.nodes[source].operator.clamps or not call.is_sole_reader():
        source = draft.add(call.path, "relu", (source,), draft.nodes[source].shape)
    draft.fuse(source, maximum)
    return source


def _relu(call: Call) -> str:
    return _activation(call, None)


def _relu6(call: Call) -> str:
    return _activation(call, 6.0)


def _clamp(call: Call) -> str:
    lower = call.arguments.get("min", call.arguments.get("min_val"))
    upper = call.arguments.get("max", call.arguments.get("max_val"))
    if lower != 0 or (upper is not None and not upper > 0):
        call.fail(f"clamps to {lower}..{upper}, wanted 0..maximum")
    return _activation(call, None if upper in (None, float("inf")) else float(upper))


def _onnx_clip(step: "Step", values: Mapping[str, Value]) -> Value:
    low = step.scalar(values, 1, step.get("min", -np.inf))
    high = step.scalar(values, 2, step.get("max", np.inf))
    return step.tensor(values).clamp(low, None if np.isinf(high) else high)


ATEN = {
    "relu": Aten(_relu),
    "relu6": Aten(_relu6),
    "hardtanh": Aten(_clamp),
    "clamp": Aten(_clamp),
    "clamp_min": Aten(_clamp),
}
BOUNDS: rules.Rules = {"min": rules.BOUND, "max": rules.BOUND, "consumed_inputs": rules.ANYTHING}
ONNX = {
    "Clip": Onnx(_onnx_clip, (1, 3), BOUNDS),
    "Relu": Onnx(
        lambda step, v: functional.relu(step.tensor(v)),
        attributes={"consumed_inputs": rules.ANYTHING},
    ),
}
