"""elementwise: operators on two tensors, or on one tensor and numbers that no image changes."""

from collections.abc import Callable

import numpy as np
from torch import fx

from escalate.capture.aten import Call, Read
from escalate.capture.movement import Plane
from escalate.capture.realize import by_channel
from escalate.capture.stages import Map, Stage, affine, product
from escalate.capture.tensor import Tensor

Pair = Callable[[str, str, Plane | None], str]


def combined(call: Call, name: str, left: Tensor, right: Tensor, made: Pair) -> Read:
    """The operator ``name`` of two tensors.

    Two functions of one tensor's numbers are one function of them; else ``made`` adds a node that
    reads two others, of a shape, or of the exported tensor's for None.
    """
    if left.node == right.node and left.is_viewed_as(right):
        return left.with_stages(product(left.stages, right.stages, name))
    if left.view is not None and left.is_viewed_as(right):
        shapes = [call.draft.nodes[each.node].shape for each in (left, right)]
        if shapes[0] == shapes[1]:  # what moves both moves the result
            both = [call.made(Tensor(t.node, shapes[0], t.stages)) for t in (left, right)]
            return Tensor(made(both[0], both[1], shapes[0]), left.shape, (), left.view)
    return made(call.made(left), call.made(right), None)


def with_constant(
    call: Call, tensor: Tensor, values: np.ndarray, stage: Callable[[np.ndarray], Stage]
) -> Tensor:
    """The tensor behind the function that ``stage`` makes of numbers, one for each channel."""
    found = by_channel(call.draft, tensor, values)
    if found is None:
        tensor = Tensor(call.made(tensor), tensor.shape)
        found = by_channel(call.draft, tensor, values)
    if found is None and (beside := _beside(tensor, values)) is not None:
        flat = (beside.size,)  # each number is a channel
        tensor = Tensor(call.made(tensor.reshaped(flat)), flat)
        found = by_channel(call.draft, tensor, beside.ravel())
        assert found is not None
        return tensor.behind(stage(found)).reshaped(beside.shape)
    if found is None:
        call.fail(f"numbers of shape {values.shape} beside {tensor.shape}, wanted one per channel")
    return tensor.behind(stage(found))


def _beside(tensor: Tensor, values: np.ndarray) -> np.ndarray | None:
    """One number for each of a tensor's; None where the shapes do not fit."""
    if values.ndim == len(tensor.shape) + 1 and len(values) == 1:
        values = values[0]
    try:
        return np.broadcast_to(values, tensor.shape)
    except ValueError:
        return None


def operands(call: Call) -> tuple[Tensor | np.ndarray, Tensor | np.ndarray]:
    """The two operands, at least one of them a tensor computed from the image."""
    found = []
    for argument in ("self", "other"):
        value = call.arguments[argument]
        each: Tensor | np.ndarray | None = call.tensor(value)
        if each is None:
            each = call.constant(value)
            if isinstance(value, fx.Node):
                call.count_beside(value)
        if each is None:
            call.fail(f"{argument} is no tensor computed from the network's input")
        found.append(each)
    return found[0], found[1]


def a_map(formula: object, values: np.ndarray) -> Stage:
    """A map whose formula speaks of numbers, one or one for each channel, as ``["channel", 0]``."""
    if values.ndim:
        return Map(formula, (values,))
    return Map(_with_number(formula, float(values)))


def _with_number(formula: object, number: float) -> object:
    if not isinstance(formula, list):
        return formula
    if formula[0] == "channel":
        return number
    return [formula[0], *(_with_number(each, number) for each in formula[1:])]


def times(values: np.ndarray) -> Stage:
    """A product with numbers."""
    return affine(values)


def plus(values: np.ndarray) -> Stage:
    """A sum with numbers."""
    return affine(1.0, values)
