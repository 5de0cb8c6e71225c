"""concat in exported graphs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read, shape_of
from escalate.capture.elementwise import plus, with_constant
from escalate.capture.onnx_operator import Onnx, Value, operand_tensors
from escalate.capture.tensor import Tensor
from workloads.operator import ANY_NUMBER

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _concat(call: Call) -> Read:
    axis = call.arguments["dim"] % len(shape_of(call.node))
    if axis == 0:
        call.fail("concatenates on axis 0, which mixes images")
    parts = [_part(call, each) for each in call.arguments["tensors"]]
    places = [n for n, each in enumerate(parts) if isinstance(each, Tensor)]
    tensors = [each for each in parts if isinstance(each, Tensor)]
    if len(tensors) == len(parts):
        return joined(call, tensors, axis - 1)
    first, last = places[0], places[-1]
    if last - first >= len(tensors):
        call.fail("constants between tensors, wanted them before or behind all")
    middle = tensors[0] if len(tensors) == 1 else joined(call, tensors, axis - 1)
    before = [each for each in parts[:first] if not isinstance(each, Tensor)]
    behind = [each for each in parts[last + 1 :] if not isinstance(each, Tensor)]
    return _beside_constants(call, axis - 1, before, middle, behind)


def _part(call: Call, value: Any) -> Tensor | np.ndarray:
    """A tensor computed from the image, or the constants that stand beside each image."""
    found = call.tensor(value)
    if found is not None:
        return found
    array = call.constant(value)
    if array is None or (array != array[:1]).any():
        call.fail("an operand is no tensor computed from the network's input")
    call.count_beside(value)
    one: np.ndarray = array[0]
    return one


def joined(call: Call, tensors: list[Tensor], axis: int) -> Tensor:
    """Tensors side by side on an axis, which stands first while they are joined."""
    shape, moved = _first(tensors[0].shape, axis)
    sizes = [each.shape[axis] for each in tensors]
    names = []
    for each, size in zip(tensors, sizes, strict=True):
        names.append(call.made(each.moved(moved).reshaped((size, *_plane(shape[1:])))))
    whole = (sum(sizes), *_plane(shape[1:]))
    made = Tensor(call.draft.add(call.path, "concat", tuple(names), whole), whole)
    return _back(made.reshaped((whole[0], *shape[1:])), axis)


def _beside_constants(
    call: Call, axis: int, before: list[np.ndarray], tensor: Tensor, behind: list[np.ndarray]
) -> Tensor:
    """A tensor between constants: between zeros, to which they are then added."""
    shape, moved = _first(tensor.shape, axis)
    edges = [sum(each.shape[axis] for each in side) for side in (before, behind)]
    source = call.made(tensor.moved(moved).reshaped((shape[0], *_plane(shape[1:]))))
    padding = {"padding": [*edges, 0, 0, 0, 0]}
    whole = (shape[0] + sum(edges), *_plane(shape[1:]))
    made = Tensor(call.draft.add(call.path, "pad", (source,), whole, padding), whole)
    padded = _back(made.reshaped((whole[0], *shape[1:])), axis)
    values = np.concatenate([*before, np.zeros(tensor.shape), *behind], axis)
    return with_constant(call, padded, values, plus)


def _first(shape: tuple[int, ...], axis: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A shape with an axis brought to the front, and the order of its axes then."""
    order = (axis, *(place for place in range(len(shape)) if place != axis))
    return tuple(shape[place] for place in order), order


def _plane(sizes: tuple[int, ...]) -> tuple[int, int]:
    """Sizes as rows and columns."""
    return int(np.prod(sizes[:-1])), sizes[-1] if sizes else 1


def _back(tensor: Tensor, axis: int) -> Tensor:
    """The first axis brought back to its place."""
    _, order = _first(tensor.shape, axis)
    return tensor.moved(tuple(int(place) for place in np.argsort((axis, *order[1:]))))


def _onnx_concat(step: "Step", values: Mapping[str, Value]) -> Value:
    parts = operand_tensors(step, values)
    images = max(each.shape[0] for each in parts)
    axis = step.get("axis", 1)
    spread = [e.expand(images, *e.shape[1:]) if e.shape[0] == 1 and axis else e for e in parts]
    return torch.cat(spread, axis)


ATEN = dict.fromkeys(("cat", "concat", "concatenate"), Aten(_concat))
ONNX = {"Concat": Onnx(_onnx_concat, (1, ANY_NUMBER), {"axis": rules.AXIS})}
