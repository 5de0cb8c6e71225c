"""onnx_operators: each ONNX operator that ``capture`` knows, as the torch function of that meaning.

An operator stands in ``OPERATORS`` with the attributes that it honours, see ``onnx_rules``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from onnx import TensorProto, helper
from torch import nn
from torch.nn import functional

from escalate.capture import onnx_rules as rules

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step

Value = torch.Tensor | np.ndarray | None
Act = Callable[["Step", Mapping[str, Value]], Value]
Make = Callable[["Step", Mapping[str, np.ndarray]], nn.Module]


def _weights(step: "Step", constants: Mapping[str, np.ndarray], position: int) -> torch.Tensor:
    name = step.inputs[position]
    if name not in constants:
        step.fail(f"{name} is computed, wanted a tensor of the file")
    array = constants[name]
    if not np.issubdtype(array.dtype, np.floating):
        step.fail(f"{name} is {array.dtype}, wanted floating point")
    with np.errstate(over="ignore"):
        found = array.astype(np.float32)
    if not np.isfinite(found).all() or not found.size:
        step.fail(f"{name} holds no value, or values that are not finite")
    return torch.tensor(found)


def _vector(
    step: "Step", constants: Mapping[str, np.ndarray], position: int, size: int
) -> torch.Tensor:
    """Weights of one value for each channel."""
    values = _weights(step, constants, position)
    if values.shape != (size,):
        step.fail(f"{step.inputs[position]} has shape {list(values.shape)}, wanted [{size}]")
    return values


def _fill(module: nn.Module, **tensors: torch.Tensor) -> nn.Module:
    for name, values in tensors.items():
        getattr(module, name).data = values
    return module


def _conv_module(step: "Step", constants: Mapping[str, np.ndarray]) -> nn.Module:
    weights = _weights(step, constants, 1)
    if weights.ndim != 4:
        step.fail(f"weights have {weights.ndim} axes, wanted 4")
    groups, biased = step.get("group", 1), step.has(2)
    k, c, r, s = weights.shape
    if k % groups:
        step.fail(f"group is {groups}, wanted a divisor of the {k} filters")
    if list(step.get("kernel_shape", (r, s))) != [r, s]:
        step.fail(f"kernel_shape is {step.get('kernel_shape', ())}, the weights are {r} x {s}")
    module = nn.Conv2d(
        c * groups,
        k,
        (r, s),
        stride=tuple(step.get("strides", (1, 1))),
        dilation=tuple(step.get("dilations", (1, 1))),
        groups=groups,
        bias=biased,
    )
    tensors = {"weight": weights} | ({"bias": _vector(step, constants, 2, k)} if biased else {})
    return _fill(module, **tensors)


def _gemm_module(step: "Step", constants: Mapping[str, np.ndarray]) -> nn.Module:
    weights = _weights(step, constants, 1)
    if weights.ndim != 2:
        step.fail("wanted an image's features times a matrix")
    if not step.get("transB", 0):
        weights = weights.T
    biased = step.has(2)
    module = nn.Linear(weights.shape[1], weights.shape[0], bias=biased)
    tensors = {"weight": weights.contiguous() * step.get("alpha", 1.0)}
    if biased:
        bias, outputs = _weights(step, constants, 2) * step.get("beta", 1.0), weights.shape[0]
        if bias.numel() not in (1, outputs) or bias.shape[:-1] not in ((), (1,)):
            step.fail(f"bias has shape {list(bias.shape)}, wanted one value for each output")
        tensors["bias"] = bias.reshape(-1).expand(outputs).contiguous()
    return _fill(module, **tensors)


def _norm_module(step: "Step", constants: Mapping[str, np.ndarray]) -> nn.Module:
    size = _weights(step, constants, 1).numel()
    scale, shift, mean, variance = (_vector(step, constants, n, size) for n in range(1, 5))
    module = nn.BatchNorm2d(size, eps=step.get("epsilon", 1e-5))
    return _fill(module, weight=scale, bias=shift, running_mean=mean, running_var=variance)


def _edges(step: "Step", image: torch.Tensor, kernel: list[int]) -> tuple[int, int, int, int]:
    """Padding (left, right, top, bottom), ``auto_pad`` worked out."""
    auto = step.get("auto_pad", "NOTSET")
    if auto != "NOTSET" and any(step.get("pads", ())):
        step.fail(f"pads {step.get('pads', ())} beside auto_pad = {auto}, wanted one of the two")
    if auto in ("NOTSET", "VALID"):
        top, left, bottom, right = step.get("pads", (0, 0, 0, 0)) if auto == "NOTSET" else (0,) * 4
        return left, right, top, bottom
    strides, dilations = step.get("strides", (1, 1)), step.get("dilations", (1, 1))
    found: list[int] = []
    for axis in (1, 0):
        size, stride = image.shape[2 + axis], strides[axis]
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        small, large = total // 2, total - total // 2
        found += [small, large] if auto == "SAME_UPPER" else [large, small]
    return found[0], found[1], found[2], found[3]


def _conv(step: "Step", values: Mapping[str, Value]) -> Value:
    image, module = step.tensor(values), step.module
    assert isinstance(module, nn.Conv2d)
    edges = _edges(step, image, list(module.weight.shape[2:]))
    return module(functional.pad(image, edges) if any(edges) else image)


def _through(step: "Step", values: Mapping[str, Value]) -> Value:
    assert step.module is not None
    result: torch.Tensor = step.module(step.tensor(values))
    return result


def _clip(step: "Step", values: Mapping[str, Value]) -> Value:
    low = step.scalar(values, 1, step.get("min", -np.inf))
    high = step.scalar(values, 2, step.get("max", np.inf))
    return step.tensor(values).clamp(low, None if np.isinf(high) else high)


def _add(step: "Step", values: Mapping[str, Value]) -> Value:
    left, right = (values[name] for name in step.inputs)
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return left + right
    return step.fail("adds a constant, wanted two tensors computed from the image")


def _max_pool(step: "Step", values: Mapping[str, Value]) -> Value:
    image, kernel = step.tensor(values), list(step.get("kernel_shape", ()))
    left, right, top, bottom = _edges(step, image, kernel)
    strides, ceil = step.get("strides", [1, 1]), bool(step.get("ceil_mode", 0))
    if (left, top) != (right, bottom) or 2 * left > kernel[1] or 2 * top > kernel[0]:
        return step.fail(f"pads {(top, left, bottom, right)}, wanted the same on opposite sides")
    return functional.max_pool2d(image, kernel, strides, (top, left), ceil_mode=ceil)


def _average_pool(step: "Step", values: Mapping[str, Value]) -> Value:
    image, kernel = step.tensor(values), list(step.get("kernel_shape", ()))
    left, right, top, bottom = _edges(step, image, kernel)
    if (left, top) != (right, bottom):
        step.fail(f"pads {(top, left, bottom, right)}, wanted the same on opposite sides")
    return functional.avg_pool2d(
        image,
        kernel,
        step.get("strides", [1, 1]),
        (top, left),
        ceil_mode=bool(step.get("ceil_mode", 0)),
        count_include_pad=bool(step.get("count_include_pad", 0)) or not (left or top),
    )


def _axes(step: "Step", values: Mapping[str, Value]) -> list[int] | None:
    """Axes, an attribute or (in later opsets) an operand; None where there are none."""
    given = step.get("axes", None)
    return step.integers(values, 1) if given is None else list(given)


def _reduce_mean(step: "Step", values: Mapping[str, Value]) -> Value:
    axes = _axes(step, values)
    if not axes:
        step.fail("axes are missing: a mean over all axes mixes images, wanted axes = [2, 3]")
    return step.tensor(values).mean(axes, keepdim=bool(step.get("keepdims", 1)))


def _reshape(step: "Step", values: Mapping[str, Value]) -> Value:
    image, sizes = step.tensor(values), step.integers(values, 1)
    if not sizes:
        step.fail("has no sizes")
    if step.get("allowzero", 0) == 0:
        if 0 in sizes[image.ndim :]:
            step.fail(f"sizes {sizes} keep an axis that the operand has not")
        sizes = [image.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    if sizes[0] == 1 and image.shape[0] != 1:
        sizes[0] = image.shape[0]  # a file exported for one image
    return image.reshape(sizes)


def _flatten(step: "Step", values: Mapping[str, Value]) -> Value:
    return step.tensor(values).flatten(1)


def _squeeze(step: "Step", values: Mapping[str, Value]) -> Value:
    axes, image = _axes(step, values), step.tensor(values)
    if axes is None:  # all of one element, but for that of the images
        axes = [axis for axis in range(1, image.ndim) if image.shape[axis] == 1]
    for axis in sorted((axis % image.ndim for axis in axes), reverse=True):
        if image.shape[axis] != 1:
            step.fail(f"axis {axis} has {image.shape[axis]} elements, wanted 1")
        image = image.squeeze(axis)
    return image


def _unsqueeze(step: "Step", values: Mapping[str, Value]) -> Value:
    axes, image = _axes(step, values), step.tensor(values)
    if not axes:
        step.fail("axes are missing")
    rank = image.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        image = image.unsqueeze(axis)
    return image


def _slice(step: "Step", values: Mapping[str, Value]) -> Value:
    image = step.tensor(values)
    if "starts" in step.attributes:
        starts, stops = list(step.get("starts", ())), list(step.get("ends", ()))
        axes, strides = step.get("axes", None), None
    else:
        starts, stops = step.integers(values, 1) or [], step.integers(values, 2) or []
        axes, strides = step.integers(values, 3), step.integers(values, 4)
    axes = list(range(len(starts))) if axes is None else list(axes)
    strides = [1] * len(starts) if strides is None else strides
    if not len(starts) == len(stops) == len(axes) == len(strides) or min(strides, default=1) < 1:
        step.fail(f"starts {starts}, ends {stops}, axes {axes}, steps {strides} do not go together")
    for axis, start, stop, stride in zip(axes, starts, stops, strides, strict=True):
        index = [slice(None)] * image.ndim
        index[axis % image.ndim] = slice(start, stop, stride)
        image = image[tuple(index)]
    return image


def _pad(step: "Step", values: Mapping[str, Value]) -> Value:
    image = step.tensor(values)
    amounts = step.get("pads", None)
    amounts = (step.integers(values, 1) or []) if amounts is None else list(amounts)
    fill = step.scalar(values, 2, step.get("value", 0.0))
    if fill:
        step.fail(f"value is {fill}, wanted constant zeros")
    axes = step.integers(values, 3)
    axes = list(range(image.ndim)) if axes is None else axes
    if len(amounts) != 2 * len(axes):
        step.fail(f"pads {amounts}, wanted two for each of {len(axes)} axes")
    before, after = amounts[: len(axes)], amounts[len(axes) :]
    pairs = {axis % image.ndim: pair for axis, *pair in zip(axes, before, after, strict=True)}
    flat = [n for axis in reversed(range(image.ndim)) for n in pairs.get(axis, (0, 0))]
    return functional.pad(image, flat)


def _concat(step: "Step", values: Mapping[str, Value]) -> Value:
    parts = [step.tensor(values, place) for place in range(len(step.inputs))]
    return torch.cat(parts, step.get("axis", 1))


def _constant(step: "Step", values: Mapping[str, Value]) -> Value:
    if len(step.attributes) != 1:
        step.fail("wanted one value")
    (value,) = step.attributes.values()
    return np.array(value)


def _shape(step: "Step", values: Mapping[str, Value]) -> Value:
    value = values[step.inputs[0]]
    assert value is not None
    sizes = list(value.shape)
    return np.array(sizes[step.get("start", 0) : step.get("end", None)], np.int64)


def _cast(step: "Step", values: Mapping[str, Value]) -> Value:
    element = step.get("to", 0)
    if not rules.is_floating(element):
        step.fail(f"to is {TensorProto.DataType.Name(element)}, which cuts off fractions")
    return step.tensor(values)


def _dropout(step: "Step", values: Mapping[str, Value]) -> Value:
    if step.scalar(values, 2, 0.0):
        step.fail("training_mode is true, wanted false")
    return step.tensor(values)


def _gather(step: "Step", values: Mapping[str, Value]) -> Value:
    step.fail("picks from a tensor computed from the image")


def _gather_array(step: "Step", values: Mapping[str, Value]) -> Value:
    found = np.take(step.constant(values, 0), step.constant(values, 1), step.get("axis", 0))
    return np.asarray(found)


def _unsqueeze_array(step: "Step", values: Mapping[str, Value]) -> Value:
    return np.expand_dims(step.constant(values, 0), tuple(_axes(step, values) or ()))


def _concat_array(step: "Step", values: Mapping[str, Value]) -> Value:
    parts = [step.constant(values, place) for place in range(len(step.inputs))]
    return np.concatenate(parts, step.get("axis", 0))


def _cast_array(step: "Step", values: Mapping[str, Value]) -> Value:
    return step.constant(values, 0).astype(helper.tensor_dtype_to_np_dtype(step.get("to", 0)))


def _identity_array(step: "Step", values: Mapping[str, Value]) -> Value:
    return step.constant(values, 0)


@dataclass(frozen=True, slots=True)
class Operator:
    """How an operator is translated.

    Parameters
    ----------
    act : what it does to tensors computed from the image
    operands : least and most operands; how many of the first ones must be there
    attributes : those that are honoured, and what they may be
    required : those that must be there
    make : the module that holds its weights
    on_arrays : what it does to constants alone
    """

    act: Act
    operands: tuple[int, int] = (1, 1)
    attributes: rules.Rules = field(default_factory=dict)
    required: tuple[str, ...] = ()
    make: Make | None = None
    on_arrays: Act | None = None


MANY = 1 << 16
AXES: rules.Rules = {"axes": rules.AXES}
AXIS: rules.Rules = {"axis": rules.AXIS}
VALUES: rules.Rules = {
    "value": rules.TENSOR,
    **dict.fromkeys(("value_float", "value_floats", "value_int", "value_ints"), rules.NUMBERS),
}
CUT: rules.Rules = {**dict.fromkeys(("starts", "ends"), rules.POSITIONS), **AXES}
FILL: rules.Rules = {"mode": rules.only("constant"), "pads": rules.EDGES, "value": rules.NUMBER}
MEAN: rules.Rules = {**AXES, "keepdims": rules.FLAG, "noop_with_empty_axes": rules.FLAG}
BOUNDS: rules.Rules = {
    "min": rules.BOUND,
    "max": rules.BOUND,
    "consumed_inputs": rules.ANYTHING,
}
MEANS: rules.Rules = {**rules.POOL, "count_include_pad": rules.FLAG}
MAXIMA: rules.Rules = {**rules.POOL, "storage_order": rules.FLAG}
TYPES: rules.Rules = {"to": rules.ELEMENTS, "saturate": rules.FLAG}
KERNEL = ("kernel_shape",)
OPERATORS: Mapping[str, Operator] = {
    "Add": Operator(_add, (2, 2), rules.ADD),
    "AveragePool": Operator(_average_pool, (1, 1), MEANS, KERNEL),
    "BatchNormalization": Operator(_through, (5, 5), rules.NORM, make=_norm_module),
    "Cast": Operator(_cast, (1, 1), TYPES, ("to",), on_arrays=_cast_array),
    "Clip": Operator(_clip, (1, 3), BOUNDS),
    "Concat": Operator(_concat, (1, MANY), AXIS, on_arrays=_concat_array),
    "Constant": Operator(_constant, (0, 0), VALUES),
    "Conv": Operator(_conv, (2, 3), rules.CONV, make=_conv_module),
    "Dropout": Operator(_dropout, (1, 3), rules.DROPPED),
    "Flatten": Operator(_flatten, (1, 1), {"axis": rules.only(1)}),
    "Gather": Operator(_gather, (2, 2), AXIS, on_arrays=_gather_array),
    "Gemm": Operator(_through, (2, 3), rules.TIMES, make=_gemm_module),
    "GlobalAveragePool": Operator(lambda step, v: step.tensor(v).mean((2, 3), keepdim=True)),
    "Identity": Operator(lambda step, v: step.tensor(v), on_arrays=_identity_array),
    "MatMul": Operator(_through, (2, 2), make=_gemm_module),
    "MaxPool": Operator(_max_pool, (1, 1), MAXIMA, KERNEL),
    "Pad": Operator(_pad, (1, 4), FILL),
    "ReduceMean": Operator(_reduce_mean, (1, 2), MEAN),
    "Relu": Operator(
        lambda step, v: functional.relu(step.tensor(v)),
        attributes={"consumed_inputs": rules.ANYTHING},
    ),
    "Reshape": Operator(_reshape, (2, 2), {"allowzero": rules.FLAG}),
    "Shape": Operator(
        _shape, (1, 1), {"start": rules.POSITION, "end": rules.POSITION}, on_arrays=_shape
    ),
    "Slice": Operator(_slice, (1, 5), CUT),
    "Squeeze": Operator(_squeeze, (1, 2), AXES),
    "Unsqueeze": Operator(_unsqueeze, (1, 2), AXES, on_arrays=_unsqueeze_array),
}
