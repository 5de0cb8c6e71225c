"""formula: a function of one number, written as nested lists, such as ``["mul", "x", 0.5]``.

``"x"`` stands for the argument, a number for itself, ``["channel", i]`` for the i-th of the
formula's constants, which has one value for each channel, and ``[name, ...]`` for a function of
one or two formulas.  A formula is data: it can be stored as JSON, and runs no code.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workloads.errors import WorkloadError
from workloads.number import shown

if TYPE_CHECKING:
    import torch

Formula = Any
MOST_PARTS = 1000  # of one formula
MOST_CONSTANTS = 64
ARGUMENT, CHANNEL = "x", "channel"

ONE: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "abs": np.abs,
    "cos": np.cos,
    "erf": lambda x: np.vectorize(math.erf, otypes=[np.float64])(x),
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "neg": np.negative,
    "sigmoid": lambda x: 0.5 * (1.0 + np.tanh(0.5 * x)),
    "sign": np.sign,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
}
TWO: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "add": np.add,
    "div": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mul": np.multiply,
    "pow": np.power,
    "sub": np.subtract,
}


def check_formula(name: str, formula: Formula, constants: int) -> None:
    """Refuse what is no formula.

    Parameters
    ----------
    name : of the node, for messages
    constants : how many constants there are, one value for each channel

    Raises
    ------
    WorkloadError
        Naming the node and the part that is wrong.

    Examples
    --------
    >>> check_formula("gate", ["sigmoid", "x"], 0)
    >>> check_formula("gate", ["sigmund", "x"], 0)
    Traceback (most recent call last):
    workloads.errors.WorkloadError: gate: ['sigmund', 'x'] is no part of a formula
    """
    waiting, parts = [formula], 0
    while waiting:
        part = waiting.pop()
        parts += 1
        if parts > MOST_PARTS:
            raise WorkloadError(f"{name}: the formula has more than {MOST_PARTS} parts")
        if part == ARGUMENT or (type(part) in (int, float) and math.isfinite(part)):
            continue
        if not isinstance(part, Sequence) or isinstance(part, str) or not part:
            raise WorkloadError(f"{name}: {shown(part)} is no part of a formula")
        head, *operands = part
        if head == CHANNEL and len(operands) == 1 and type(operands[0]) is int:
            if 0 <= operands[0] < constants:
                continue
        elif isinstance(head, str) and len(operands) == (head in ONE) + 2 * (head in TWO) > 0:
            waiting += operands
            continue
        raise WorkloadError(f"{name}: {shown(part)} is no part of a formula")


def evaluate(formula: Formula, x: np.ndarray, constants: Sequence[np.ndarray]) -> np.ndarray:
    """The formula of every number, in float64; infinite or NaN where it has no value.

    Parameters
    ----------
    x : float64, any shape
    constants : float64, each broadcast with ``x``

    Examples
    --------
    >>> slopes = np.array([3.0, 4.0])
    >>> evaluate(["mul", "x", ["channel", 0]], np.array([1.0, 2.0]), [slopes]).tolist()
    [3.0, 8.0]
    """
    if formula == ARGUMENT:
        return x
    if not isinstance(formula, Sequence):
        return np.array(formula, np.float64)
    head, *operands = formula
    if head == CHANNEL:
        return constants[operands[0]]
    values = [evaluate(operand, x, constants) for operand in operands]
    with np.errstate(all="ignore"):
        return ONE[head](values[0]) if head in ONE else TWO[head](values[0], values[1])


def torch_evaluate(
    formula: Formula, x: "torch.Tensor", constants: Sequence["torch.Tensor"]
) -> "torch.Tensor":
    """The same in torch, in the type of ``x``; gradients flow through it.

    Examples
    --------
    >>> import torch
    >>> torch_evaluate(["maximum", "x", 0.0], torch.tensor([-1.0, 2.0]), []).tolist()
    [0.0, 2.0]
    """
    import torch

    if formula == ARGUMENT:
        return x
    if not isinstance(formula, Sequence):
        return torch.tensor(formula, dtype=x.dtype, device=x.device)
    head, *operands = formula
    if head == CHANNEL:
        return constants[operands[0]]
    values = [torch_evaluate(operand, x, constants) for operand in operands]
    return getattr(torch, head)(*values)


def composed(outer: Formula, inner: Formula) -> Formula:
    """The formula ``outer`` of what ``inner`` makes.

    Examples
    --------
    >>> composed(["mul", "x", ["exp", "x"]], ["add", "x", 1])
    ['mul', ['add', 'x', 1], ['exp', ['add', 'x', 1]]]
    """
    if outer == ARGUMENT:
        return inner
    if not isinstance(outer, Sequence) or outer[0] == CHANNEL:
        return outer
    return [outer[0], *(composed(operand, inner) for operand in outer[1:])]


def constants_in(formula: Formula) -> int:
    """How many constants a formula speaks of.

    Examples
    --------
    >>> constants_in(["mul", ["channel", 1], "x"])
    2
    """
    if not isinstance(formula, Sequence) or isinstance(formula, str):
        return 0
    if formula[0] == CHANNEL:
        return int(formula[1]) + 1
    return max(constants_in(part) for part in formula[1:])
