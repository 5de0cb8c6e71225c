"""multiply in exported graphs: products and quotients; of constants, they are affine."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read
from escalate.capture.elementwise import a_map, combined, operands, times, with_constant
from escalate.capture.onnx_operator import Onnx, Value, operand_tensors
from escalate.capture.tensor import Tensor

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _product(call: Call) -> Read:
    left, right = operands(call)
    if isinstance(left, np.ndarray):
        left, right = right, left
    assert not isinstance(left, np.ndarray)
    if isinstance(right, np.ndarray):
        return with_constant(call, left, right, times)
    gates = [_is_spread(each) for each in (left, right)]
    if gates[0] != gates[1]:
        left, right = (_unspread(left), right) if gates[0] else (left, _unspread(right))
    return combined(call, "mul", left, right, lambda x, y, s: call.add("multiply", (x, y), shape=s))


def _is_spread(tensor: Tensor) -> bool:
    """Whether one number of each channel stands for a whole plane, as expand makes it."""
    if tensor.view is None or len(tensor.shape) != 3 or tensor.shape[1:] == (1, 1):
        return False
    return bool((tensor.view == tensor.view[:, :1, :1]).all())


def _unspread(tensor: Tensor) -> Tensor:
    """That number of each channel, which a product spreads itself."""
    assert tensor.view is not None
    return tensor.seen(tensor.view[:, :1, :1])


def _quotient(call: Call) -> Read:
    left, right = operands(call)
    if call.arguments.get("rounding_mode") is not None:
        call.fail(f"rounding_mode is {call.arguments['rounding_mode']}, wanted none")
    if isinstance(right, np.ndarray):
        assert not isinstance(left, np.ndarray)
        if not right.all():
            call.fail("divides by zero")
        return with_constant(call, left, 1.0 / right, times)
    if isinstance(left, np.ndarray):
        ratio = ["div", ["channel", 0], "x"]
        return with_constant(call, right, left, lambda values: a_map(ratio, values))
    return combined(
        call,
        "div",
        left,
        right,
        lambda x, y, s: call.fail("of two tensors, wanted a constant divisor"),
    )


def _onnx_product(step: "Step", values: Mapping[str, Value]) -> Value:
    left, right = operand_tensors(step, values)
    return left * right


def _onnx_quotient(step: "Step", values: Mapping[str, Value]) -> Value:
    left, right = operand_tensors(step, values)
    return left / right


ATEN = {
    "mul": Aten(_product),
    "multiply": Aten(_product),
    "div": Aten(_quotient),
    "divide": Aten(_quotient),
    "true_divide": Aten(_quotient),
}
ONNX = {
    "Mul": Onnx(_onnx_product, (2, 2), rules.OLD_BROADCAST),
    "Div": Onnx(_onnx_quotient, (2, 2), rules.OLD_BROADCAST),
}
