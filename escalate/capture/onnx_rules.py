"""onnx_rules: what an attribute of an ONNX operator may be; whatever has no rule is refused.

A rule stands for what the translation honours.  An attribute that changes nothing where a network
classifies images (the momentum of a batch norm, say) may be anything.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workloads.number import is_whole

MOST_SIDE = 1 << 16  # of a kernel, a stride, an edge of padding


@dataclass(frozen=True, slots=True)
class Rule:
    """Which values are taken, and how an error names them."""

    wanted: str
    takes: Callable[[Any], bool]


Rules = Mapping[str, Rule]


def _whole(value: object, least: int, most: int = MOST_SIDE) -> bool:
    return is_whole(value, least, most)


def _wholes(value: object, least: int, count: int | None = None) -> bool:
    """Whether it is a list of ``count`` integers, or of any number."""
    return (
        isinstance(value, list | tuple)
        and count in (None, len(value))
        and all(_whole(each, least) for each in value)
    )


def only(*values: Any) -> Rule:
    """One of a few values."""
    return Rule(" or ".join(map(str, values)), lambda value: value in values)


def _is_element(value: object) -> bool:
    from onnx import helper

    return value in helper.get_all_tensor_dtypes()


def _axis(value: object) -> bool:
    return _whole(value, -4, 3)


ANYTHING = Rule("anything", lambda value: True)
FLAG = only(0, 1)
AXIS = Rule("an axis -4 to 3", _axis)
AXES = Rule("axes -4 to 3", lambda v: isinstance(v, list | tuple) and all(map(_axis, v)))
NUMBER = Rule("a finite number", lambda v: isinstance(v, int | float) and math.isfinite(v))
BOUND = Rule("a number", lambda v: isinstance(v, int | float) and not math.isnan(v))
POSITION = Rule("an integer", lambda v: _whole(v, -(2**63), 2**63))
POSITIONS = Rule("integers", lambda v: isinstance(v, list | tuple) and all(map(POSITION.takes, v)))
GROUPS = Rule(f"a whole number 1 to {MOST_SIDE}", lambda v: _whole(v, 1))
TWO = Rule(f"two whole numbers 1 to {MOST_SIDE}", lambda v: _wholes(v, 1, 2))
TWO_OR_THREE = Rule(
    f"two whole numbers 1 to {MOST_SIDE}, or three", lambda v: _wholes(v, 1, 2) or _wholes(v, 1, 3)
)
FOUR_OR_SIX = Rule(
    f"four whole numbers 0 to {MOST_SIDE}, or six", lambda v: _wholes(v, 0, 4) or _wholes(v, 0, 6)
)
PAIR = Rule(f"two whole numbers 0 to {MOST_SIDE}", lambda v: _wholes(v, 0, 2))
FOUR = Rule(f"four whole numbers 0 to {MOST_SIDE}", lambda v: _wholes(v, 0, 4))
EDGES = Rule("integers", lambda v: _wholes(v, -MOST_SIDE))
AUTO_PAD = only("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
TENSOR = Rule("a tensor", lambda v: isinstance(v, np.ndarray))
TEXT = Rule("a text", lambda v: isinstance(v, str))
NUMBERS = Rule("numbers", lambda v: np.ndim(v) <= 1)
FLOATS = ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE")
ELEMENTS = Rule("a type of numbers", _is_element)
OLD_BROADCAST: Rules = {"broadcast": only(0), "axis": ANYTHING, "consumed_inputs": ANYTHING}
REDUCE: Rules = {"axes": AXES, "keepdims": FLAG, "noop_with_empty_axes": FLAG}
WINDOW: Rules = {"kernel_shape": TWO, "strides": TWO, "pads": FOUR, "auto_pad": AUTO_PAD}
POOL: Rules = {**WINDOW, "ceil_mode": FLAG, "dilations": TWO}
CONV: Rules = {**WINDOW, "group": GROUPS, "dilations": TWO}


def is_floating(element: int) -> bool:
    """Whether a type of ONNX is one of floating point, of 16 bits or more."""
    from onnx import TensorProto

    return TensorProto.DataType.Name(element) in FLOATS
