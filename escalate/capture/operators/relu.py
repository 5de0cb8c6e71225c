"""relu in exported graphs: ReLU, ReLU6, clamps from 0; they become the clamp of what they read."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read
from escalate.capture.onnx_operator import Onnx, Value
from escalate.capture.stages import Clip, Map

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _clamp(call: Call) -> Read:
    lower = _limit(call, call.arguments.get("min", call.arguments.get("min_val")), -np.inf)
    upper = _limit(call, call.arguments.get("max", call.arguments.get("max_val")), np.inf)
    tensor = call.operand()
    if lower == 0 and upper > 0:
        return tensor.behind(Clip(None if np.isinf(upper) else upper))
    if not lower <= upper:
        call.fail(f"clamps to {lower}..{upper}")
    formula: Any = "x"
    formula = formula if np.isinf(lower) else ["maximum", formula, lower]
    formula = formula if np.isinf(upper) else ["minimum", formula, upper]
    return tensor.behind(Map(formula))


def _limit(call: Call, value: Any, missing: float) -> float:
    found = np.float64(missing) if value is None else call.constant(value)
    if found is None or found.size != 1 or np.isnan(found).any():
        call.fail("a limit is no number")
    return float(found.reshape(()))


def _onnx_clip(step: "Step", values: Mapping[str, Value]) -> Value:
    low = step.scalar(values, 1, step.get("min", -np.inf))
    high = step.scalar(values, 2, step.get("max", np.inf))
    return step.tensor(values).clamp(low, None if np.isinf(high) else high)


ATEN = {
    "relu": Aten(lambda call: call.operand().behind(Clip(None))),
    "relu6": Aten(lambda call: call.operand().behind(Clip(6.0))),
    **dict.fromkeys(("hardtanh", "clamp", "clamp_min", "clamp_max", "clip"), Aten(_clamp)),
}
BOUNDS: rules.Rules = {"min": rules.BOUND, "max": rules.BOUND, "consumed_inputs": rules.ANYTHING}
ONNX = {
    "Clip": Onnx(_onnx_clip, (1, 3), BOUNDS),
    "Relu": Onnx(
        lambda step, v: functional.relu(step.tensor(v)),
        attributes={"consumed_inputs": rules.ANYTHING},
    ),
}
