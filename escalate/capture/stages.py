"""Stages: what elementwise operators in a row do to a tensor, kept until something reads it.

An affine stage multiplies and shifts, a clip cuts off at 0 and perhaps at a maximum, a map is any
other function of one number.  Keeping them apart shows what folds into a convolution (affine),
what its clamp does (clip), and what needs a table (map).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workloads.formula import ARGUMENT, CHANNEL, Formula, composed


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """x * scale + shift; each float64, one number, shape (), or one for each channel, (C,)."""

    scale: np.ndarray
    shift: np.ndarray

    @property
    def is_scalar(self) -> bool:
        """Whether it is the same for all channels."""
        return self.scale.ndim == self.shift.ndim == 0


@dataclass(frozen=True, slots=True)
class Clip:
    """min(max(x, 0), maximum); without a maximum, None, a ReLU."""

    maximum: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """A formula of x, with the constants that it speaks of, float64 of shape (C,)."""

    formula: Formula
    constants: tuple[np.ndarray, ...] = ()


Stage = Affine | Clip | Map
Stages = tuple[Stage, ...]


def affine(scale: np.ndarray | float = 1.0, shift: np.ndarray | float = 0.0) -> Affine:
    """An affine stage of numbers or arrays."""
    return Affine(np.asarray(scale, np.float64), np.asarray(shift, np.float64))


def after(stages: Stages, stage: Stage) -> Stages:
    """The stages with one more behind them; those that are one function of a number are merged.

    Examples
    --------
    >>> two = after((affine(2.0),), affine(3.0, 1.0))
    >>> len(two), float(two[0].scale), float(two[0].shift)
    (1, 6.0, 1.0)
    >>> after((Map(["exp", "x"]),), affine(2.0))[0].formula
    ['add', ['mul', ['exp', 'x'], 2.0], 0.0]
    """
    if not stages:
        return (stage,)
    last = stages[-1]
    if isinstance(last, Affine) and isinstance(stage, Affine):
        shift = last.shift * stage.scale + stage.shift
        return (*stages[:-1], Affine(last.scale * stage.scale, shift))
    if isinstance(last, Clip) and isinstance(stage, Clip):
        limits = [each for each in (last.maximum, stage.maximum) if each is not None]
        return (*stages[:-1], Clip(min(limits, default=None)))
    one_table = isinstance(last, Map) and not (isinstance(stage, Affine) and not stage.is_scalar)
    if one_table or (isinstance(stage, Map) and isinstance(last, Affine) and last.is_scalar):
        return after(stages[:-1], _merged(last, stage))
    return (*stages, stage)


def product(left: Stages, right: Stages, name: str) -> Stages:
    """What ``name``, a function of two numbers, makes of two functions of one tensor.

    Stages that both begin with stay as they are, so that they still fold.

    Examples
    --------
    >>> swish = product((), (Map(["sigmoid", "x"]),), "mul")
    >>> swish[0].formula
    ['mul', 'x', ['sigmoid', 'x']]
    """
    shared = 0
    while shared < min(len(left), len(right)) and left[shared] is right[shared]:
        shared += 1
    first, second = (_whole(stages[shared:]) for stages in (left, right))
    moved = _renumbered(second.formula, len(first.constants))
    merged = Map([name, first.formula, moved], first.constants + second.constants)
    return after(left[:shared], merged)


def _whole(stages: Sequence[Stage]) -> Map:
    found = Map(ARGUMENT)
    for stage in stages:
        found = _merged(found, stage)
    return found


def _merged(first: Stage, second: Stage) -> Map:
    before, behind = as_map(first), as_map(second)
    moved = _renumbered(behind.formula, len(before.constants))
    return Map(composed(moved, before.formula), before.constants + behind.constants)


def as_map(stage: Stage) -> Map:
    """Any stage as a formula.

    Examples
    --------
    >>> as_map(Clip(6.0)).formula
    ['minimum', ['maximum', 'x', 0.0], 6.0]
    """
    if isinstance(stage, Map):
        return stage
    if isinstance(stage, Clip):
        cut: Formula = ["maximum", ARGUMENT, 0.0]
        return Map(cut if stage.maximum is None else ["minimum", cut, stage.maximum])
    constants: list[np.ndarray] = []
    parts: list[Formula] = []
    for array in (stage.scale, stage.shift):
        if array.ndim:
            parts.append([CHANNEL, len(constants)])
            constants.append(array)
        else:
            parts.append(float(array))
    return Map(["add", ["mul", ARGUMENT, parts[0]], parts[1]], tuple(constants))


def _renumbered(formula: Formula, count: int) -> Formula:
    if not count or not isinstance(formula, list):
        return formula
    if formula[0] == CHANNEL:
        return [CHANNEL, formula[1] + count]
    return [formula[0], *(_renumbered(each, count) for each in formula[1:])]
