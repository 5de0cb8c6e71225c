"""table in exported graphs: functions of one number."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read
from escalate.capture.elementwise import a_map, combined, operands, with_constant
from escalate.capture.onnx_operator import Onnx, Value, operand_tensors
from escalate.capture.stages import Map

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step

X = "x"
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _positive(formula: Any = X) -> Any:
    return ["maximum", formula, 0.0]


def _negative(formula: Any = X) -> Any:
    return ["minimum", formula, 0.0]


def _softplus(formula: Any = X) -> Any:
    """log(1 + e^x), so that no x overflows."""
    return ["add", _positive(formula), ["log1p", ["exp", ["neg", ["abs", formula]]]]]


def _hard_sigmoid(slope: float, offset: float) -> Any:
    return ["minimum", ["maximum", ["add", ["mul", X, slope], offset], 0.0], 1.0]


def _elu(alpha: float, scale: float = 1.0, inside: float = 1.0) -> Any:
    below = ["mul", ["sub", ["exp", ["mul", _negative(), inside]], 1.0], alpha]
    return ["mul", ["add", _positive(), below], scale]


def _gelu(approximate: str) -> Any:
    if approximate == "tanh":
        inner = [
            "mul",
            ["add", X, ["mul", ["mul", ["mul", X, X], X], 0.044715]],
            math.sqrt(2 / math.pi),
        ]
        return ["mul", ["mul", X, 0.5], ["add", ["tanh", inner], 1.0]]
    return ["mul", ["mul", X, 0.5], ["add", ["erf", ["div", X, math.sqrt(2)]], 1.0]]


def _leaky(slope: Any) -> Any:
    return ["add", _positive(), ["mul", _negative(), slope]]


SILU = ["mul", X, ["sigmoid", X]]
PLAIN: Mapping[str, Any] = {
    **{name: [name, X] for name in ("abs", "cos", "erf", "exp", "log", "log1p", "neg", "sigmoid")},
    **{name: [name, X] for name in ("sign", "sin", "sqrt", "tanh")},
    "hardsigmoid": _hard_sigmoid(1 / 6, 0.5),
    "hardswish": ["mul", X, _hard_sigmoid(1 / 6, 0.5)],
    "log_sigmoid": ["neg", _softplus(["neg", X])],
    "mish": ["mul", X, ["tanh", _softplus()]],
    "reciprocal": ["div", 1.0, X],
    "rsqrt": ["div", 1.0, ["sqrt", X]],
    "selu": _elu(SELU_ALPHA, SELU_SCALE),
    "silu": SILU,
    "softsign": ["div", X, ["add", ["abs", X], 1.0]],
    "square": ["mul", X, X],
}


def _softplus_of(call: Call) -> Any:
    beta = float(call.arguments["beta"])
    return ["div", _softplus(["mul", X, beta]), beta]


def _elu_of(call: Call) -> Any:
    alpha, scale, inside = (float(call.arguments[k]) for k in ("alpha", "scale", "input_scale"))
    return _elu(alpha, scale, inside)


def _celu_of(call: Call) -> Any:
    alpha = float(call.arguments["alpha"])
    return _elu(alpha, 1.0, 1.0 / alpha)


def _mapped(formula: Any) -> Aten:
    return Aten(lambda call: call.operand().behind(Map(formula)))


def _made(formula: Callable[[Call], Any]) -> Aten:
    return Aten(lambda call: call.operand().behind(Map(formula(call))))


def _prelu(call: Call) -> Read:
    slopes = call.parameter("weight")
    assert slopes is not None
    call.count("weight")
    tensor = call.operand()
    beside = slopes.reshape(-1, *[1] * (len(tensor.shape) - 1))
    leaky = _leaky(["channel", 0])
    return with_constant(call, tensor, beside, lambda values: a_map(leaky, values))


def _pow(call: Call) -> Read:
    exponent = call.constant(call.arguments["exponent"])
    if exponent is None or exponent.size != 1:
        call.fail("the exponent is no number")
    power = float(exponent.reshape(()))
    return call.operand().behind(Map(["mul", X, X] if power == 2 else ["pow", X, power]))


def extreme(call: Call, name: str) -> Read:
    """The larger or smaller of two numbers; beside a constant it is a function of one."""
    left, right = operands(call)
    if isinstance(left, np.ndarray):
        left, right = right, left
    assert not isinstance(left, np.ndarray)
    if not isinstance(right, np.ndarray):
        return combined(call, name, left, right, lambda x, y, s: call.add(name, (x, y), shape=s))
    stage = [name, X, ["channel", 0]]
    return with_constant(call, left, right, lambda values: a_map(stage, values))


def _min(call: Call) -> Read:
    if "other" not in call.arguments:
        call.fail("over an axis, wanted one of two tensors")
    return extreme(call, "minimum")


ATEN = {
    **{name: _mapped(formula) for name, formula in PLAIN.items()},
    "celu": _made(_celu_of),
    "elu": _made(_elu_of),
    "gelu": _made(lambda call: _gelu(call.arguments["approximate"])),
    "leaky_relu": _made(lambda call: _leaky(float(call.arguments["negative_slope"]))),
    "maximum": Aten(lambda call: extreme(call, "maximum")),
    "min": Aten(_min),
    "minimum": Aten(lambda call: extreme(call, "minimum")),
    "pow": Aten(_pow),
    "prelu": Aten(_prelu),
    "softplus": _made(_softplus_of),
}


def _plain(act: Callable[[torch.Tensor], torch.Tensor]) -> Onnx:
    rules_of: rules.Rules = {"consumed_inputs": rules.ANYTHING}
    return Onnx(lambda step, values: act(step.tensor(values)), attributes=rules_of)


def _hard_sigmoid_file(step: "Step", values: Mapping[str, Value]) -> Value:
    slope, offset = step.get("alpha", 0.2), step.get("beta", 0.5)
    return (step.tensor(values) * slope + offset).clamp(0, 1)


def _pow_file(step: "Step", values: Mapping[str, Value]) -> Value:
    return step.tensor(values) ** step.scalar(values, 1, 1.0)


def _prelu_file(step: "Step", values: Mapping[str, Value]) -> Value:
    image, slopes = operand_tensors(step, values)
    return functional.prelu(image, slopes.reshape(-1))


def _of_two(act: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Onnx:
    return Onnx(lambda step, values: act(*operand_tensors(step, values)), (2, 2))


def _gelu_file(step: "Step", values: Mapping[str, Value]) -> Value:
    return functional.gelu(step.tensor(values), approximate=step.get("approximate", "none"))


NUMBER: rules.Rules = {"alpha": rules.NUMBER, "consumed_inputs": rules.ANYTHING}
TWO: rules.Rules = {**NUMBER, "beta": rules.NUMBER, "gamma": rules.NUMBER}
ONNX = {
    **{
        name.title(): _plain(getattr(torch, name))
        for name in (
            "abs",
            "cos",
            "erf",
            "exp",
            "log",
            "neg",
            "sigmoid",
            "sign",
            "sin",
            "sqrt",
            "tanh",
        )
    },
    "Celu": Onnx(
        lambda step, v: functional.celu(step.tensor(v), step.get("alpha", 1.0)), (1, 1), NUMBER
    ),
    "Elu": Onnx(
        lambda step, v: functional.elu(step.tensor(v), step.get("alpha", 1.0)), (1, 1), NUMBER
    ),
    "Gelu": Onnx(_gelu_file, (1, 1), {"approximate": rules.only("none", "tanh")}),
    "HardSigmoid": Onnx(_hard_sigmoid_file, (1, 1), TWO),
    "HardSwish": _plain(functional.hardswish),
    "LeakyRelu": Onnx(
        lambda step, v: functional.leaky_relu(step.tensor(v), step.get("alpha", 0.01)),
        (1, 1),
        NUMBER,
    ),
    "Max": _of_two(torch.maximum),
    "Min": _of_two(torch.minimum),
    "Mish": _plain(functional.mish),
    "Pow": Onnx(_pow_file, (2, 2), rules.OLD_BROADCAST),
    "PRelu": Onnx(_prelu_file, (2, 2)),
    "Reciprocal": _plain(torch.reciprocal),
    "Selu": _plain(functional.selu),
    "Softplus": _plain(functional.softplus),
    "Softsign": _plain(functional.softsign),
    "Swish": Onnx(
        lambda step, v: step.tensor(v) * torch.sigmoid(step.tensor(v) * step.get("alpha", 1.0)),
        (1, 1),
        NUMBER,
    ),
}
