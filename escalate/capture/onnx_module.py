"""onnx_module: an ONNX file as a torch module, which ``capture`` then reads like any other.

Only the operators that ``capture`` knows are translated, each to the torch function that says the
same, see ``escalate/capture/operators``; an attribute that is not honoured is refused.
Numbers that the file computes from shapes or constants alone stay NumPy arrays.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

from escalate.capture import operators
from escalate.capture.answer import position
from escalate.capture.codes import Stored, stored
from escalate.capture.onnx_operator import Onnx, Value
from escalate.capture.reading import AXES, SPELLED, Reading
from escalate.errors import CaptureError
from workloads.number import is_whole, shown
from workloads.read_file import refuse_unread

Sizes = tuple[int | None, ...]
LATEST_OPSET = onnx.defs.onnx_opset_version()
INFERENCE_OPSET = 7  # since which operators without is_test are in inference mode
DOMAINS = ("", "ai.onnx")
FOREIGN = ("com.microsoft",)  # of which some operators are read
MOST_SIDE = 1 << 16  # of an image
MOST_NUMBERS = 1 << 31  # of a constant
WRITTEN_OUT_SINCE = {"DequantizeLinear": 19, "QuantizeLinear": 19}
"""Opsets from which ONNX's evaluator has an operator whose earlier forms mean the same."""
MAKES_ANY_SIZE = frozenset(("ConstantOfShape", "Expand", "Tile"))
TENSOR_ERRORS = (ValueError, TypeError, KeyError, OverflowError, MemoryError, OSError)
"""What ONNX raises for tensors that are torn or of a type that NumPy lacks."""


class OnnxModule(nn.Module):
    """The network of an ONNX file: one float tensor (N, C, H, W) in, one out.

    Parameters
    ----------
    path : the file; tensors that it keeps in other files lie beside it
    reading : sizes of its input where it leaves them open, and which output is wanted of several

    Raises
    ------
    CaptureError
        In one line: a missing, torn or foreign file, several inputs, several outputs of which none
        is named, sizes that contradict the file's, an operator or an attribute
        that is not supported (named with its place), or weights that are computed.
    """

    def __init__(self, path: str | Path, reading: Reading | None = None) -> None:
        super().__init__()
        self.path = Path(path)
        model = _read(self.path)
        graph = model.graph
        self.opset = _opset(model, self.path)
        constants = {each.name: _array(each, self.path) for each in graph.initializer}
        constants |= {e.values.name: _dense(e, self.path) for e in graph.sparse_initializer}
        asked = reading or Reading()
        outputs = [each.name for each in graph.output]
        self.output = outputs[position(outputs, str(self.path), asked.output)]
        nodes = _needed(graph, self.output) if len(outputs) > 1 else list(graph.node)
        read = {name for node in nodes for name in node.input}
        inputs = [each for each in graph.input if each.name not in constants]
        if len(inputs) > 1:
            inputs = [each for each in inputs if each.name in read]
        if len(inputs) != 1:
            raise CaptureError(f"{self.path}: {len(inputs)} inputs, wanted one")
        self.input = inputs[0].name
        self.images, self.sizes = _input_sizes(inputs[0], self.path)
        self.running = 1  # images at once, now
        self.shape = asked.bound(self.sizes, str(self.path))
        self.constants = constants
        self.stored: dict[str, Stored] = {}
        self.weight_steps: dict[str, np.ndarray] = {}
        self.operators: list[Step] = []  # there before modules are, so that none takes its name
        for node in nodes:
            known = all(name in constants for name in node.input if name)
            if node.domain in DOMAINS and known and (node.input or node.op_type == "Constant"):
                constants.update(evaluated(node, constants, self))
                self._note_codes(node)
            else:
                self.operators.append(Step(node, self))
        _check_whole(self)

    def _note_codes(self, node: onnx.NodeProto) -> None:
        """Keep the steps of weights that the file holds as integers."""
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        inputs = list(node.input)
        found = stored(node.op_type, inputs, attributes, self.constants, self.stored)
        if found is not None:
            self.stored[node.output[0]] = found

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Run the file's operators in their order."""
        if self.images == 1 < len(images) and not torch.compiler.is_exporting():
            return torch.cat([self(each) for each in images.split(1)])  # it may join axes
        self.running = len(images)
        values: dict[str, Value] = {**self.constants, self.input: images, "": None}
        for step in self.operators:
            made = step(values)
            several = made if isinstance(made, tuple) else (made,)
            values.update(zip(step.outputs, several, strict=False))  # others are of training
        result = values[self.output]
        if not isinstance(result, torch.Tensor):
            raise CaptureError(f"{self.path}: the output {self.output} depends on no image")
        return result


def _read(path: Path) -> onnx.ModelProto:
    refuse_unread(path, CaptureError)
    try:
        return onnx.load(path)
    except (DecodeError, onnx.checker.ValidationError, *TENSOR_ERRORS) as error:
        reason = (str(error).strip().splitlines() or ["no message"])[0]
        raise CaptureError(f"{path}: is no whole ONNX file: {reason}") from error


def _opset(model: onnx.ModelProto, path: Path) -> int:
    """The version of ONNX's own operators that the file is written in."""
    found = [each.version for each in model.opset_import if each.domain in DOMAINS]
    if len(found) != 1 or not 1 <= found[0] <= LATEST_OPSET:
        told = ", ".join(map(str, found)) or "missing"
        raise CaptureError(f"{path}: opset is {told}, wanted one, 1 to {LATEST_OPSET}")
    return int(found[0])


def _array(tensor: onnx.TensorProto, path: Path) -> np.ndarray:
    try:
        return numpy_helper.to_array(tensor)
    except TENSOR_ERRORS as error:
        reason = (str(error).strip().splitlines() or ["no message"])[0]
        raise CaptureError(
            f"{path}: tensor {shown(tensor.name)} of {list(tensor.dims)}: {reason}"
        ) from error


def _dense(tensor: onnx.SparseTensorProto, path: Path) -> np.ndarray:
    """A tensor of which the file holds what is not 0."""
    values, places = _array(tensor.values, path), _array(tensor.indices, path)
    shape = tuple(tensor.dims)
    try:
        found = np.zeros(shape, values.dtype)
        index = places if places.ndim == 1 else np.ravel_multi_index(tuple(places.T), shape)
        found.ravel()[index] = values
    except (IndexError, *TENSOR_ERRORS) as error:
        raise CaptureError(f"{path}: sparse tensor {shown(tensor.values.name)}: {error}") from error
    return found


def left_open(module: OnnxModule) -> str:
    """That the file leaves its input's size open, and what to do about it."""
    open_sizes = ", ".join(
        letter for letter, size in zip(AXES, module.sizes, strict=True) if size is None
    )
    return f"{module.path}: leaves {open_sizes} of its input open, wanted {SPELLED}"


def _needed(graph: onnx.GraphProto, output: str) -> list[onnx.NodeProto]:
    """The operators that an output is computed by."""
    wanted: set[str] = {output}
    found: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            found.insert(0, node)
    return found


def _input_sizes(value: onnx.ValueInfoProto, path: Path) -> tuple[int | None, Sizes]:
    """Images that the file was made for, and channels, rows and columns; None for what is open."""
    dimensions = value.type.tensor_type.shape.dim
    if len(dimensions) != 4:
        raise CaptureError(f"{path}: the input {value.name} has {len(dimensions)} axes, wanted 4")
    images, *sizes = [each.dim_value if each.HasField("dim_value") else 0 for each in dimensions]
    for size in sizes:
        if not is_whole(size, 0, MOST_SIDE):
            raise CaptureError(
                f"{path}: the input {value.name} has a side of {size}, wanted up to {MOST_SIDE}"
            )
    return images or None, tuple(size or None for size in sizes)


def _check_whole(module: OnnxModule) -> None:
    """Refuse a file in which something reads what nothing before it makes."""
    known = {"", module.input, *module.constants}
    for step in module.operators:
        for name in step.inputs:
            if name not in known:
                step.fail(f"reads {shown(name)}, which nothing before it makes")
        known.update(step.outputs)
    if module.output not in known:
        raise CaptureError(f"{module.path}: nothing makes the output {shown(module.output)}")


class Step:
    """One operator of the file, its weights a module of ``owner`` where it has any."""

    def __init__(self, node: onnx.NodeProto, owner: OnnxModule) -> None:
        self.node, self.owner = node, [owner]  # in a list, which torch takes for no submodule
        self.kind, self.inputs, self.outputs = node.op_type, list(node.input), list(node.output)
        self.place = node.name or (self.outputs[0] if self.outputs else "?")
        self.path, self.opset = owner.path, owner.opset
        spelled = self.kind if node.domain in DOMAINS else f"{node.domain}.{self.kind}"
        if node.domain not in (*DOMAINS, *FOREIGN) or (
            node.domain in FOREIGN and spelled not in operators.onnx()
        ):
            self.fail(f"of the domain {shown(node.domain)}, wanted ONNX's own operators")
        if spelled not in operators.onnx():
            self.fail("not a supported operator")
        self.operator: Onnx = operators.onnx()[spelled]
        self.attributes = {each.name: self._attribute(each) for each in node.attribute}
        self._check()
        self.module: nn.Module | None = None
        self.steps: np.ndarray | None = None  # of weights that the file holds as integers
        if self.operator.make is not None:
            self.module, name = self.operator.make(self, owner.constants), _fresh(owner, self.place)
            if self.module is not None:
                owner.add_module(name, self.module)
            if self.steps is not None:
                owner.weight_steps[f"{name}.weight"] = self.steps

    def _attribute(self, value: onnx.AttributeProto) -> Any:
        try:
            found = onnx.helper.get_attribute_value(value)
            if isinstance(found, bytes):
                return found.decode()
            if isinstance(found, onnx.TensorProto):
                return numpy_helper.to_array(found)
        except TENSOR_ERRORS as error:
            reason = (str(error).strip().splitlines() or ["no message"])[0]
            self.fail(f"{value.name}: {reason}")
        return found

    def _check(self) -> None:
        """Refuse what the translation does not honour."""
        least, most = self.operator.operands
        given = len([name for name in self.inputs[:least] if name])
        if given < least or len(self.inputs) > most:
            self.fail(f"has {len(self.inputs)} operands, wanted {least} to {most}")
        if not self.outputs or not self.outputs[0]:
            self.fail("makes nothing")
        for name, value in self.attributes.items():
            rule = self.operator.attributes.get(name)
            if rule is None:
                self.fail(f"attribute {name} is not supported")
            if not rule.takes(value):
                self.fail(f"{name} is {shown(value)}, wanted {rule.wanted}")
        for name in self.operator.required:
            if name not in self.attributes:
                self.fail(f"attribute {name} is missing")
        if (
            self.operator.trained
            and self.opset < INFERENCE_OPSET
            and "is_test" not in self.attributes
        ):
            self.fail("is_test is 0, wanted 1")

    def fail(self, problem: str) -> NoReturn:
        """Raise CaptureError with the operator and its place."""
        raise CaptureError(f"{self.path}: {self.kind} at {self.place}: {problem}")

    def get(self, name: str, default: Any) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def has(self, position: int) -> bool:
        """Whether there is an operand of that place; those at the end may be left out."""
        return position < len(self.inputs) and bool(self.inputs[position])

    def constant(self, values: Mapping[str, Value], position: int) -> np.ndarray:
        """An operand that must be known without an image, as an array."""
        value = values.get(self.inputs[position]) if self.has(position) else None
        if not isinstance(value, np.ndarray):
            name = self.inputs[position] if self.has(position) else f"operand {position + 1}"
            self.fail(f"{name} is computed from the image, wanted a constant")
        return value

    def integers(self, values: Mapping[str, Value], position: int) -> list[int] | None:
        """The integers of a constant operand; None where it is left out."""
        if not self.has(position):
            return None
        array = self.constant(values, position)
        if array.ndim > 1 or not np.issubdtype(array.dtype, np.integer):
            self.fail(f"{self.inputs[position]} is no list of integers")
        return [int(each) for each in array.ravel()]

    def scalar(self, values: Mapping[str, Value], position: int, default: float) -> float:
        """The number of a constant operand of one element; ``default`` where it is left out."""
        if not self.has(position):
            return default
        array = self.constant(values, position)
        if array.size != 1 or not (
            np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_
        ):
            self.fail(f"{self.inputs[position]} is not one number")
        return float(array.item())

    @property
    def images(self) -> tuple[int, int]:
        """How many images at once the file was made for, 1 where it leaves that open; and now."""
        return self.owner[0].images or 1, self.owner[0].running

    def stored(self, position: int) -> Stored | None:
        """How the file holds a constant operand, where it holds integers."""
        return self.owner[0].stored.get(self.inputs[position])

    def tensor(self, values: Mapping[str, Value], position: int = 0) -> torch.Tensor:
        """An operand computed from the image."""
        value = values.get(self.inputs[position])
        if not isinstance(value, torch.Tensor):
            self.fail(f"{self.inputs[position]} is no tensor computed from the image")
        return value

    def __call__(self, values: Mapping[str, Value]) -> Value | tuple[Value, ...]:
        """Its outputs; a first one alone where the others are of training."""
        operands = [values.get(name) for name in self.inputs]
        if any(isinstance(each, torch.Tensor) for each in operands):
            return self.operator.act(self, values)
        arrays = {name: values[name] for name in self.inputs if name}
        found = evaluated(self.node, arrays, self.owner[0])  # type: ignore[arg-type]
        return tuple(found[name] for name in self.outputs)


def evaluated(
    node: onnx.NodeProto, constants: Mapping[str, np.ndarray], owner: OnnxModule
) -> dict[str, np.ndarray]:
    """What ONNX's own evaluator makes of an operator whose operands are constants."""
    place = f"{owner.path}: {node.op_type} at {node.name or node.output[0]}"
    if node.op_type in MAKES_ANY_SIZE:
        for name in node.input:
            sizes = constants[name] if name else np.zeros(1)
            if sizes.dtype == np.int64 and math.prod(sizes.ravel().tolist()) > MOST_NUMBERS:
                raise CaptureError(f"{place}: makes more than {MOST_NUMBERS} numbers")
    given = {name: constants[name] for name in node.input if name}
    graph = onnx.helper.make_graph(
        [node],
        "constant",
        [onnx.helper.make_empty_tensor_value_info(name) for name in given],
        [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name],
    )
    least = WRITTEN_OUT_SINCE.get(node.op_type, 1)
    opset = onnx.helper.make_opsetid("", max(owner.opset, least))
    try:
        model = onnx.helper.make_model(graph, opset_imports=[opset])
        found = ReferenceEvaluator(model).run(None, given)
    except (AttributeError, IndexError, NotImplementedError, RuntimeError, *TENSOR_ERRORS) as error:
        reason = (str(error).strip().splitlines() or ["no message"])[0]
        raise CaptureError(f"{place}: of constants alone: {reason}") from error
    return dict(zip([name for name in node.output if name], found, strict=True))


def _fresh(owner: nn.Module, place: str) -> str:
    """A module name made of the operator's: no dots, not taken yet."""
    wanted = re.sub(r"\W+", "_", place.strip("/")).strip("_") or "operator"
    name, count = wanted, 1
    while hasattr(owner, name):
        count += 1
        name = f"{wanted}_{count}"
    return name
