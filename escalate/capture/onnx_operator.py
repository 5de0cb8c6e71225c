"""onnx_operator: how an ONNX operator is translated, and what translations share.

Each is translated to the torch function of the same meaning, with the attributes that are
honoured, see ``onnx_rules``; ``capture`` then reads it like any other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from escalate.capture import onnx_rules as rules

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step

Value = torch.Tensor | np.ndarray | None
Act = Callable[["Step", Mapping[str, Value]], Value | tuple[Value, ...]]
Make = Callable[["Step", Mapping[str, np.ndarray]], nn.Module | None]


@dataclass(frozen=True, slots=True)
class Onnx:
    """How an operator is translated.

    Parameters
    ----------
    act : what it does to tensors computed from the image
    operands : least and most operands; how many of the first ones must be there
    attributes : those that are honoured, and what they may be
    required : those that must be there
    make : the module that holds its weights; None where they are no tensor of the file
    trained : before opset 7 its default was training, so that it must say that it is not
    """

    act: Act
    operands: tuple[int, int] = (1, 1)
    attributes: rules.Rules = field(default_factory=dict)
    required: tuple[str, ...] = ()
    make: Make | None = None
    trained: bool = False


def weights_of(step: "Step", constants: Mapping[str, np.ndarray], position: int) -> torch.Tensor:
    """A float tensor of the file, float32; computed, foreign and infinite ones are refused."""
    name = step.inputs[position]
    if name not in constants:
        step.fail(f"{name} is computed, wanted a tensor of the file")
    array, codes = constants[name], step.stored(position)
    if codes is not None and codes.shifted:
        step.fail(f"{name} has zero points that are not 0, wanted weights without")
    if not np.issubdtype(array.dtype, np.floating):
        step.fail(f"{name} is {array.dtype}, wanted floating point")
    with np.errstate(over="ignore"):
        found = array.astype(np.float32)
    if not np.isfinite(found).all() or not found.size:
        step.fail(f"{name} holds no value, or values that are not finite")
    return torch.tensor(found)


def steps_of(step: "Step", position: int, axis: int, outputs: int) -> np.ndarray | None:
    """The steps of weights of which ``axis`` counts the outputs; None where there are none."""
    codes = step.stored(position)
    return None if codes is None else codes.of_outputs(axis, outputs)


def vector_of(
    step: "Step", constants: Mapping[str, np.ndarray], position: int, size: int
) -> torch.Tensor:
    """Weights of one value for each channel."""
    values = weights_of(step, constants, position)
    if values.shape != (size,):
        step.fail(f"{step.inputs[position]} has shape {list(values.shape)}, wanted [{size}]")
    return values


def filled(module: nn.Module, **tensors: torch.Tensor) -> nn.Module:
    """The module with these tensors as its parameters and buffers."""
    for name, values in tensors.items():
        getattr(module, name).data = values
    return module


def kernels_of(step: "Step", constants: Mapping[str, np.ndarray]) -> torch.Tensor:
    """The weights of a convolution, of four axes."""
    weights = weights_of(step, constants, 1)
    if weights.ndim != 4:
        step.fail(f"weights have {weights.ndim} axes, wanted 4")
    return weights


def convolution_of(
    step: "Step", constants: Mapping[str, np.ndarray], module: nn.Module, weights: torch.Tensor
) -> nn.Module:
    """The module with its weights, and with biases where there is a third operand."""
    if not step.has(2):
        return filled(module, weight=weights)
    outputs = int(module.out_channels)  # type: ignore[arg-type]
    return filled(module, weight=weights, bias=vector_of(step, constants, 2, outputs))


def through(step: "Step", values: Mapping[str, Value]) -> Value:
    """What the operator's own module makes of its first operand."""
    assert step.module is not None
    result: torch.Tensor = step.module(step.tensor(values))
    return result


def operand_tensors(step: "Step", values: Mapping[str, Value]) -> list[torch.Tensor]:
    """All operands as tensors; numbers of the file in float32."""
    found = []
    for position in range(len(step.inputs)):
        value = values.get(step.inputs[position])
        if isinstance(value, torch.Tensor):
            found.append(value)
        else:
            array = step.constant(values, position)
            found.append(torch.tensor(array.astype(np.float32)))
    return found


def padding_of(step: "Step", image: torch.Tensor, kernel: list[int]) -> tuple[int, int, int, int]:
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
        total = (-(-size // stride) - 1) * stride + reach - size
        if total < -1:
            step.fail(
                f"auto_pad = {auto} with stride {stride} and a kernel of {reach} leaves out "
                f"{-total} of {size} pixels, and runtimes disagree on which; state pads"
            )
        total = max(total, 0)
        small, large = total // 2, total - total // 2
        found += [small, large] if auto == "SAME_UPPER" else [large, small]
    return found[0], found[1], found[2], found[3]


def axes_of(step: "Step", values: Mapping[str, Value]) -> list[int] | None:
    """Axes, an attribute or (in later opsets) an operand; None where there are none."""
    given = step.get("axes", None)
    return step.integers(values, 1) if given is None else list(given)
