"""matmul in exported graphs: products of two tensors computed from the image, and attention.

A product with a constant matrix is a linear layer, see ``conv``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read
from escalate.capture.onnx_operator import Onnx, Value
from escalate.capture.operators.conv import gemm_module, linear_product
from escalate.capture.stages import Affine
from escalate.capture.tensor import Tensor

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _matmul(call: Call) -> Read:
    left, right = (call.arguments[name] for name in _operands(call))
    one, other = call.tensor(left), call.tensor(right)
    if one is not None and other is not None:
        return _product(call, one, other)
    if one is None:
        call.fail("a constant times a tensor, wanted a tensor times a constant matrix")
    weights = call.parameter(_operands(call)[1])
    if weights is None or weights.ndim != 2:
        call.fail("wanted a tensor times a constant matrix")
    return linear_product(call, one, weights.T, None, (_operands(call)[1],))


def _operands(call: Call) -> tuple[str, str]:
    """The names of the two matrices among the arguments."""
    return "self", "mat2" if "mat2" in call.arguments else "other"


def _product(
    call: Call, left: Tensor, right: Tensor, factor: float = 1.0, name: str = ""
) -> Tensor:
    """A node for the matrices that the last two axes hold, those of all other axes as channels."""
    (left, first), (right, second) = map(_unscaled, (left, right))
    before, behind = left.shape[:-2], right.shape[:-2]
    if before != behind or min(len(left.shape), len(right.shape)) < 2:
        told = " and ".join(str(("N", *each.shape)) for each in (left, right))
        call.fail(f"of {told}, wanted matrices on the last two axes, all others alike")
    heads = math.prod(before)
    names = tuple(call.made(e.reshaped((heads, *e.shape[-2:]))) for e in (left, right))
    shape = (heads, left.shape[-2], right.shape[-1])
    attributes = {"factor": factor * first * second}
    path = f"{call.path}.{name}" if name else call.path
    made = Tensor(call.draft.add(path, "matmul", names, shape, attributes), shape)
    return made.reshaped((*before, *shape[1:]))


def _unscaled(tensor: Tensor) -> tuple[Tensor, float]:
    """The tensor without a last product with a number, and that number."""
    last = tensor.stages[-1] if tensor.stages else None
    if not isinstance(last, Affine) or not last.is_scalar or last.shift:
        return tensor, 1.0
    return tensor.with_stages(tensor.stages[:-1]), float(last.scale)


def _swapped(tensor: Tensor) -> Tensor:
    """The last two axes the other way round."""
    *rest, rows, columns = range(len(tensor.shape))
    return tensor.moved((*rest, columns, rows))


def _attention(call: Call) -> Read:
    """softmax(Q K^T / sqrt(d)) V: two products, a softmax between them."""
    query, key, value = (call.operand(name) for name in ("query", "key", "value"))
    if call.arguments["attn_mask"] is not None or call.arguments["is_causal"]:
        call.fail("with a mask, wanted one that sees all")
    if call.arguments["dropout_p"] or call.arguments.get("enable_gqa"):
        call.fail("drops values or shares heads, wanted neither")
    scale = call.arguments.get("scale")
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    scores = _product(call, query, _swapped(key), factor, "scores")
    shape = call.draft.nodes[scores.node].shape
    name = call.draft.add(f"{call.path}.shares", "softmax", (scores.node,), shape, {"axis": 3})
    return _product(call, Tensor(name, scores.shape), value)


def _einsum(call: Call) -> Read:
    """Two tensors whose letters are axes of matrices: first shared by all, then summed over."""
    equation, tensors = call.arguments["equation"].replace(" ", ""), call.arguments["tensors"]
    inputs, arrow, result = equation.partition("->")
    letters = inputs.split(",")
    found = [call.tensor(each) for each in tensors]
    if not arrow or "." in equation or len(letters) != 2 or None in found:
        call.fail(f"{equation}, wanted two tensors computed from the image, without dots")
    first, second = letters
    if not first[0] == second[0] == result[0] or any(
        len(set(each)) < len(each) for each in (first, second, result)
    ):
        call.fail(f"{equation}: wanted images first, and each letter once")
    shared = [each for each in first[1:] if each in second and each in result]
    summed = [each for each in first[1:] if each in second and each not in result]
    rows = [each for each in first[1:] if each not in second]
    columns = [each for each in second[1:] if each not in first]
    if set(result[1:]) != {*shared, *rows, *columns}:
        call.fail(f"{equation}: sums over a letter of one tensor alone")
    left, right = found
    assert left is not None
    assert right is not None
    sizes = dict(zip(first[1:], left.shape, strict=True))
    sizes |= zip(second[1:], right.shape, strict=True)
    one, two = [
        _grouped(tensor, own[1:], parts, sizes)
        for tensor, own, parts in (
            (left, first, (shared, rows, summed)),
            (right, second, (shared, summed, columns)),
        )
    ]
    made = _product(call, one, two)
    order = [*shared, *rows, *columns]
    whole = made.reshaped(tuple(sizes[each] for each in order))
    return whole.moved(tuple(order.index(each) for each in result[1:]))


def _grouped(
    tensor: Tensor, letters: str, parts: Sequence[Sequence[str]], sizes: Mapping[str, int]
) -> Tensor:
    """The axes in groups, each of which becomes one axis."""
    moved = tensor.moved(tuple(letters.index(each) for part in parts for each in part))
    return moved.reshaped(tuple(math.prod(sizes[each] for each in part) for part in parts))


def _onnx_module(step: "Step", constants: Mapping[str, np.ndarray]) -> nn.Module | None:
    """A linear layer where the second operand is a matrix of the file."""
    return gemm_module(step, constants) if step.inputs[1] in constants else None


def _onnx_matmul(step: "Step", values: Mapping[str, Value]) -> Value:
    if step.module is not None:
        made: torch.Tensor = step.module(step.tensor(values))
        return made
    return step.tensor(values) @ step.tensor(values, 1)


def _onnx_einsum(step: "Step", values: Mapping[str, Value]) -> Value:
    tensors = [step.tensor(values, place) for place in range(len(step.inputs))]
    return torch.einsum(step.get("equation", ""), *tensors)


ATEN = {
    "bmm": Aten(_matmul),
    "einsum": Aten(_einsum),
    "matmul": Aten(_matmul),
    "scaled_dot_product_attention": Aten(_attention),
}
ONNX = {
    "Einsum": Onnx(_onnx_einsum, (2, 2), {"equation": rules.TEXT}, ("equation",)),
    "MatMul": Onnx(_onnx_matmul, (2, 2), make=_onnx_module),
}
