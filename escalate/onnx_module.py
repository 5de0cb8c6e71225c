"""onnx_module: an ONNX file as a torch module, which ``capture`` then reads like any other.

Only the operators that ``capture`` knows are translated, each to the torch function that says the
same.  Numbers that the file computes from shapes or constants alone stay NumPy arrays.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from escalate.errors import CaptureError

Value = torch.Tensor | np.ndarray | None
IDENTITIES = ("Identity", "Dropout", "Cast")


class OnnxModule(nn.Module):
    """The network of an ONNX file: one float tensor (N, C, H, W) in, one out.

    Parameters
    ----------
    path : the file; tensors that it keeps in other files lie beside it

    Raises
    ------
    CaptureError
        In one line: a missing, torn or foreign file, several inputs or outputs, an operator that is
        not supported (named with its place), or weights that are computed.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)
        graph = _read(self.path).graph
        constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        inputs = [each for each in graph.input if each.name not in constants]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise CaptureError(
                f"{self.path}: {len(inputs)} inputs and {len(graph.output)} outputs, "
                "wanted one of each"
            )
        self.input, self.output = inputs[0].name, graph.output[0].name
        self.shape = _input_shape(inputs[0], self.path)
        self.constants = constants
        self.steps = [_Step(node, self) for node in graph.node]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Run the file's operators in their order."""
        values: dict[str, Value] = {**self.constants, self.input: images, "": None}
        for step in self.steps:
            results = step(values)
            values.update(zip(step.outputs, results, strict=False))
        result = values.get(self.output)
        if not isinstance(result, torch.Tensor):
            raise CaptureError(f"{self.path}: the output {self.output} depends on no image")
        return result


def _read(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise CaptureError(f"{path}: no such file")
    try:
        return onnx.load(path)
    except (DecodeError, onnx.checker.ValidationError, ValueError, OSError) as error:
        reason = (str(error).strip().splitlines() or ["no message"])[0]
        raise CaptureError(f"{path}: is no whole ONNX file: {reason}") from error


def _input_shape(value: onnx.ValueInfoProto, path: Path) -> tuple[int, int, int] | None:
    """(C, H, W) of the input; None where the file leaves a size open."""
    sizes = [each.dim_value for each in value.type.tensor_type.shape.dim]
    if len(sizes) != 4:
        raise CaptureError(f"{path}: the input {value.name} has {len(sizes)} axes, wanted 4")
    return (sizes[1], sizes[2], sizes[3]) if all(size > 0 for size in sizes[1:]) else None


def _attribute(value: onnx.AttributeProto) -> Any:
    found = onnx.helper.get_attribute_value(value)
    if isinstance(found, bytes):
        return found.decode()
    if isinstance(found, onnx.TensorProto):
        return numpy_helper.to_array(found)
    return found


class _Step:
    """One operator of the file, its weights a module of ``owner`` where it has any."""

    def __init__(self, node: onnx.NodeProto, owner: OnnxModule) -> None:
        self.kind, self.inputs, self.outputs = node.op_type, list(node.input), list(node.output)
        self.place = node.name or (self.outputs[0] if self.outputs else "?")
        self.attributes = {each.name: _attribute(each) for each in node.attribute}
        self.path = owner.path
        if self.kind not in OPERATORS and self.kind not in IDENTITIES:
            self.fail("not a supported operator")
        self.module: nn.Module | None = None
        if self.kind in MODULES:
            self.module = MODULES[self.kind](self, owner.constants)
            if self.module is not None:
                owner.add_module(_fresh(owner, self.place), self.module)

    def fail(self, problem: str) -> "Any":
        """Raise CaptureError with the operator and its place."""
        raise CaptureError(f"{self.path}: {self.kind} at {self.place}: {problem}")

    def get(self, name: str, default: Any) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def constant(self, values: Mapping[str, Value], position: int, default: Any = None) -> Any:
        """An operand that must be known without an image, as an array."""
        if position >= len(self.inputs) or not self.inputs[position]:
            return default
        value = values.get(self.inputs[position])
        if not isinstance(value, np.ndarray):
            self.fail(f"{self.inputs[position]} is computed from the image, wanted a constant")
        return value

    def tensor(self, values: Mapping[str, Value], position: int = 0) -> torch.Tensor:
        """An operand computed from the image."""
        value = values.get(self.inputs[position])
        if not isinstance(value, torch.Tensor):
            self.fail(f"{self.inputs[position]} is no tensor computed from the image")
        assert isinstance(value, torch.Tensor)
        return value

    def __call__(self, values: Mapping[str, Value]) -> tuple[Value, ...]:
        operands = [values.get(name) for name in self.inputs]
        if self.kind in IDENTITIES:
            return (operands[0],)
        if (
            self.kind != "Constant"
            and self.kind != "Shape"
            and not any(isinstance(each, torch.Tensor) for each in operands)
        ):
            if self.kind not in ON_ARRAYS:
                self.fail("of constants alone, which only shape computations may be")
            return (ON_ARRAYS[self.kind](self, values),)
        return (OPERATORS[self.kind](self, values),)


def _fresh(owner: nn.Module, place: str) -> str:
    """A module name made of the operator's: no dots, not taken yet."""
    wanted = re.sub(r"\W+", "_", place.strip("/")).strip("_") or "operator"
    name, count = wanted, 1
    while hasattr(owner, name):
        count += 1
        name = f"{wanted}_{count}"
    return name


def _weights(step: _Step, constants: Mapping[str, np.ndarray], position: int) -> torch.Tensor:
    name = step.inputs[position]
    if name not in constants:
        step.fail(f"{name} is computed, wanted a tensor of the file")
    array = constants[name]
    if not np.issubdtype(array.dtype, np.floating):
        step.fail(f"{name} is {array.dtype}, wanted floating point")
    return torch.tensor(array.astype(np.float32))


def _fill(module: nn.Module, **tensors: torch.Tensor) -> nn.Module:
    for name, values in tensors.items():
        getattr(module, name).data = values
    return module


def _conv_module(step: _Step, constants: Mapping[str, np.ndarray]) -> nn.Module:
    weights = _weights(step, constants, 1)
    if weights.ndim != 4:
        step.fail(f"weights have {weights.ndim} axes, wanted 4")
    groups, biased = step.get("group", 1), len(step.inputs) > 2 and bool(step.inputs[2])
    k, c, r, s = weights.shape
    module = nn.Conv2d(
        c * groups,
        k,
        (r, s),
        stride=tuple(step.get("strides", (1, 1))),
        dilation=tuple(step.get("dilations", (1, 1))),
        groups=groups,
        bias=biased,
    )
    tensors = {"weight": weights} | ({"bias": _weights(step, constants, 2)} if biased else {})
    return _fill(module, **tensors)


def _gemm_module(step: _Step, constants: Mapping[str, np.ndarray]) -> nn.Module | None:
    if step.inputs[1] not in constants:
        step.fail(f"{step.inputs[1]} is computed, wanted a tensor of the file")
    weights = _weights(step, constants, 1)
    if step.kind == "MatMul" or not step.get("transB", 0):
        weights = weights.T
    if step.get("transA", 0) or weights.ndim != 2:
        step.fail("wanted an image's features times a matrix")
    biased = len(step.inputs) > 2 and bool(step.inputs[2])
    module = nn.Linear(weights.shape[1], weights.shape[0], bias=biased)
    tensors = {"weight": weights.contiguous() * step.get("alpha", 1.0)}
    if biased:
        bias = _weights(step, constants, 2) * step.get("beta", 1.0)
        tensors["bias"] = bias.expand(weights.shape[0]).contiguous()
    return _fill(module, **tensors)


def _norm_module(step: _Step, constants: Mapping[str, np.ndarray]) -> nn.Module:
    scale, shift, mean, variance = (_weights(step, constants, place) for place in range(1, 5))
    module = nn.BatchNorm2d(scale.numel(), eps=step.get("epsilon", 1e-5))
    return _fill(module, weight=scale, bias=shift, running_mean=mean, running_var=variance)


MODULES: Mapping[str, Callable[[_Step, Mapping[str, np.ndarray]], nn.Module | None]] = {
    "Conv": _conv_module,
    "Gemm": _gemm_module,
    "MatMul": _gemm_module,
    "BatchNormalization": _norm_module,
}


def _edges(step: _Step, image: torch.Tensor, kernel: list[int]) -> tuple[int, int, int, int]:
    """Padding (left, right, top, bottom), ``auto_pad`` worked out."""
    auto = step.get("auto_pad", "NOTSET")
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


def _conv(step: _Step, values: Mapping[str, Value]) -> Value:
    image, module = step.tensor(values), step.module
    assert isinstance(module, nn.Conv2d)
    edges = _edges(step, image, list(module.weight.shape[2:]))
    return module(functional.pad(image, edges) if any(edges) else image)


def _through(step: _Step, values: Mapping[str, Value]) -> Value:
    assert step.module is not None
    result: torch.Tensor = step.module(step.tensor(values))
    return result


def _clip(step: _Step, values: Mapping[str, Value]) -> Value:
    low = step.constant(values, 1, np.array(step.get("min", -np.inf)))
    high = step.constant(values, 2, np.array(step.get("max", np.inf)))
    top = float(high)
    return step.tensor(values).clamp(float(low), None if np.isinf(top) else top)


def _add(step: _Step, values: Mapping[str, Value]) -> Value:
    left, right = (values[name] for name in step.inputs)
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return left + right
    return step.fail("adds a constant, wanted two tensors computed from the image")


def _max_pool(step: _Step, values: Mapping[str, Value]) -> Value:
    image, kernel = step.tensor(values), list(step.attributes["kernel_shape"])
    left, right, top, bottom = _edges(step, image, kernel)
    if step.get("dilations", [1, 1]) != [1, 1]:
        step.fail(f"dilations are {step.get('dilations', [1, 1])}, wanted 1")
    strides, ceil = step.get("strides", [1, 1]), bool(step.get("ceil_mode", 0))
    if (left, top) != (right, bottom) or 2 * left > kernel[1] or 2 * top > kernel[0]:
        return step.fail(f"pads {(top, left, bottom, right)}, wanted the same on opposite sides")
    return functional.max_pool2d(image, kernel, strides, (top, left), ceil_mode=ceil)


def _average_pool(step: _Step, values: Mapping[str, Value]) -> Value:
    image, kernel = step.tensor(values), list(step.attributes["kernel_shape"])
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


def _reduce_mean(step: _Step, values: Mapping[str, Value]) -> Value:
    axes = step.get("axes", None)
    if axes is None:
        axes = step.constant(values, 1, np.array([2, 3])).tolist()
    return step.tensor(values).mean(list(axes), keepdim=bool(step.get("keepdims", 1)))


def _reshape(step: _Step, values: Mapping[str, Value]) -> Value:
    image, sizes = step.tensor(values), step.constant(values, 1).tolist()
    if step.get("allowzero", 0) == 0:
        sizes = [image.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    if sizes[0] == 1 and image.shape[0] != 1:
        sizes[0] = image.shape[0]  # a file exported for one image
    return image.reshape(sizes)


def _flatten(step: _Step, values: Mapping[str, Value]) -> Value:
    if step.get("axis", 1) != 1:
        step.fail(f"axis is {step.get('axis', 1)}, wanted 1")
    return step.tensor(values).flatten(1)


def _squeeze(step: _Step, values: Mapping[str, Value]) -> Value:
    axes = step.get("axes", None)
    axes = step.constant(values, 1, np.array([2, 3])).tolist() if axes is None else axes
    image = step.tensor(values)
    for axis in sorted((axis % image.ndim for axis in axes), reverse=True):
        image = image.squeeze(axis)
    return image


def _unsqueeze(step: _Step, values: Mapping[str, Value]) -> Value:
    axes = step.get("axes", None)
    axes = step.constant(values, 1).tolist() if axes is None else axes
    image = step.tensor(values)
    for axis in sorted(axes):
        image = image.unsqueeze(axis)
    return image


def _slice(step: _Step, values: Mapping[str, Value]) -> Value:
    image = step.tensor(values)
    if "starts" in step.attributes:
        starts, stops = step.attributes["starts"], step.attributes["ends"]
        axes, strides = step.get("axes", range(len(starts))), [1] * len(starts)
    else:
        starts, stops = (step.constant(values, place).tolist() for place in (1, 2))
        axes = step.constant(values, 3, np.arange(len(starts))).tolist()
        strides = step.constant(values, 4, np.ones(len(starts), int)).tolist()
    for axis, start, stop, stride in zip(axes, starts, stops, strides, strict=True):
        index = [slice(None)] * image.ndim
        index[axis % image.ndim] = slice(start, stop, stride)
        image = image[tuple(index)]
    return image


def _pad(step: _Step, values: Mapping[str, Value]) -> Value:
    image = step.tensor(values)
    amounts = step.get("pads", None)
    amounts = step.constant(values, 1).tolist() if amounts is None else list(amounts)
    fill = float(step.constant(values, 2, np.array(step.get("value", 0.0))))
    if step.get("mode", "constant") != "constant" or fill:
        step.fail(f"mode {step.get('mode', 'constant')} with value {fill}, wanted constant zeros")
    axes = step.constant(values, 3, np.arange(len(amounts) // 2)).tolist()
    before, after = amounts[: len(axes)], amounts[len(axes) :]
    pairs = {axis % image.ndim: pair for axis, *pair in zip(axes, before, after, strict=True)}
    flat = [n for axis in reversed(range(image.ndim)) for n in pairs.get(axis, (0, 0))]
    return functional.pad(image, flat)


def _concat(step: _Step, values: Mapping[str, Value]) -> Value:
    return torch.cat([step.tensor(values, i) for i in range(len(step.inputs))], step.get("axis", 1))


def _constant(step: _Step, values: Mapping[str, Value]) -> Value:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in step.attributes:
            return np.array(step.attributes[name])
    return step.fail(f"holds {', '.join(step.attributes)}, wanted numbers")


def _shape(step: _Step, values: Mapping[str, Value]) -> Value:
    value = values[step.inputs[0]]
    assert value is not None
    return np.array(list(value.shape), np.int64)


OPERATORS: Mapping[str, Callable[[_Step, Mapping[str, Value]], Value]] = {
    "Add": _add,
    "AveragePool": _average_pool,
    "BatchNormalization": _through,
    "Clip": _clip,
    "Concat": _concat,
    "Constant": _constant,
    "Conv": _conv,
    "Flatten": _flatten,
    "Gather": lambda step, values: step.fail("picks from a tensor computed from the image"),
    "Gemm": _through,
    "GlobalAveragePool": lambda step, values: step.tensor(values).mean((2, 3), keepdim=True),
    "MatMul": _through,
    "MaxPool": _max_pool,
    "Pad": _pad,
    "ReduceMean": _reduce_mean,
    "Relu": lambda step, values: functional.relu(step.tensor(values)),
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}


def _gather_array(step: _Step, values: Mapping[str, Value]) -> Value:
    found = np.take(step.constant(values, 0), step.constant(values, 1), step.get("axis", 0))
    return np.asarray(found)


def _unsqueeze_array(step: _Step, values: Mapping[str, Value]) -> Value:
    axes = step.get("axes", None)
    axes = step.constant(values, 1).tolist() if axes is None else axes
    return np.expand_dims(step.constant(values, 0), tuple(axes))


def _concat_array(step: _Step, values: Mapping[str, Value]) -> Value:
    parts = [step.constant(values, place) for place in range(len(step.inputs))]
    return np.concatenate(parts, step.get("axis", 0))


ON_ARRAYS: Mapping[str, Callable[[_Step, Mapping[str, Value]], Value]] = {
    "Gather": _gather_array,
    "Unsqueeze": _unsqueeze_array,
    "Concat": _concat_array,
}
"""What may be done with shapes and other constants."""
