"""normalize in exported graphs: layer, group and instance norms; their weights are affine."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read
from escalate.capture.elementwise import plus, times, with_constant
from escalate.capture.onnx_operator import Onnx, Value, operand_tensors
from escalate.capture.tensor import Tensor

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _normalized(
    call: Call, tensor: Tensor, groups: int, pixels: bool, epsilon: float | None = None
) -> Tensor:
    """The tensor, whose first axis holds the channels, normalized."""
    source = call.made(tensor)
    if epsilon is None:
        epsilon = float(call.arguments["eps"])
    attributes = {"groups": groups, "pixels": int(pixels), "epsilon": epsilon}
    shape = call.draft.nodes[source].shape
    return Tensor(
        call.draft.add(call.path, "normalize", (source,), shape, attributes), tensor.shape
    )


def _weighted(call: Call, tensor: Tensor, axes: int) -> Tensor:
    """Behind the weights and biases of the norm, which stand beside the last ``axes`` axes."""
    call.count("weight", "bias")
    for argument, stage in (("weight", times), ("bias", plus)):
        values = call.parameter(argument)
        if values is not None:
            beside = values.reshape(*values.shape, *[1] * (axes - values.ndim))
            tensor = with_constant(call, tensor, beside, stage)
    return tensor


def _layer_norm(call: Call) -> Read:
    tensor, sizes = call.operand("input"), list(call.arguments["normalized_shape"])
    rank = len(tensor.shape)
    if len(sizes) == rank:  # over the whole image
        flat = _normalized(call, tensor.reshaped((int(np.prod(sizes)),)), 1, pixels=False)
        return _weighted(call, flat.reshaped(tensor.shape), rank)
    if len(sizes) > 1 or rank > 3:
        call.fail(f"over the last {len(sizes)} of {rank} axes, wanted the last one, or all")
    first = tensor.moved((rank - 1, *range(rank - 1)))
    made = _normalized(call, first, 1, pixels=True).moved((*range(1, rank), 0))
    return _weighted(call, made, 1)


def _group_norm(call: Call) -> Read:
    tensor = call.operand("input")
    made = _normalized(call, tensor, int(call.arguments["num_groups"]), pixels=False)
    return _weighted(call, made, len(tensor.shape))


def _instance_norm(call: Call) -> Read:
    tensor = call.operand("input")
    if not call.arguments["use_input_stats"]:
        call.fail("normalizes by running statistics, wanted the image's own")
    made = _normalized(call, tensor, tensor.shape[0], pixels=False)
    return _weighted(call, made, len(tensor.shape))


def _restored(call: Call) -> Read:
    """A norm that was spelled out, over one axis, over rows and columns, or over all."""
    values, axes, found = call.node.args
    tensor, epsilon = call.tensor(values), call.constant(found)
    assert isinstance(axes, list)
    if tensor is None or epsilon is None or epsilon.size != 1:
        call.fail("its epsilon is no number")
    rank, small = len(tensor.shape), float(epsilon.reshape(()))
    over = sorted(axis % (rank + 1) - 1 for axis in axes)
    if over == list(range(rank)):
        flat = tensor.reshaped((int(np.prod(tensor.shape)),))
        return _normalized(call, flat, 1, False, small).reshaped(tensor.shape)
    if rank == 3 and over == [1, 2]:
        return _normalized(call, tensor, tensor.shape[0], False, small)
    if len(over) != 1 or over[0] < 0 or rank > 3:
        call.fail(f"a norm over axes {axes}, wanted one, those of a plane, or all")
    order = (over[0], *(axis for axis in range(rank) if axis != over[0]))
    back = tuple(int(place) for place in np.argsort(order))
    return _normalized(call, tensor.moved(order), 1, True, small).moved(back)


def _onnx_layer_norm(step: "Step", values: Mapping[str, Value]) -> Value:
    image, scale, *bias = operand_tensors(step, values)
    axis, eps = step.get("axis", -1) % image.ndim, step.get("epsilon", 1e-5)
    return functional.layer_norm(image, image.shape[axis:], scale, bias[0] if bias else None, eps)


def _onnx_instance_norm(step: "Step", values: Mapping[str, Value]) -> Value:
    image, scale, bias = operand_tensors(step, values)
    eps = step.get("epsilon", 1e-5)
    return functional.instance_norm(image, weight=scale, bias=bias, eps=eps)


def _onnx_group_norm(step: "Step", values: Mapping[str, Value]) -> Value:
    image, scale, bias = operand_tensors(step, values)
    groups, eps = step.get("num_groups", 1), step.get("epsilon", 1e-5)
    if scale.numel() == groups != image.shape[1]:  # before opset 21: one for each group
        scale, bias = (each.repeat_interleave(image.shape[1] // groups) for each in (scale, bias))
    return functional.group_norm(image, groups, scale, bias, eps)


ATEN = {
    "group_norm": Aten(_group_norm),
    "instance_norm": Aten(_instance_norm),
    "layer_norm": Aten(_layer_norm),
    "normalized": Aten(_restored),
}
EPSILON: rules.Rules = {"epsilon": rules.NUMBER}
ONNX = {
    "GroupNormalization": Onnx(
        _onnx_group_norm,
        (3, 3),
        {**EPSILON, "num_groups": rules.GROUPS, "stash_type": rules.ANYTHING},
        ("num_groups",),
    ),
    "InstanceNormalization": Onnx(
        _onnx_instance_norm, (3, 3), {**EPSILON, "consumed_inputs": rules.ANYTHING}
    ),
    "LayerNormalization": Onnx(
        _onnx_layer_norm, (2, 3), {**EPSILON, "axis": rules.AXIS, "stash_type": rules.ANYTHING}
    ),
}
