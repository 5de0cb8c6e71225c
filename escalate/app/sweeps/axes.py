"""axes: what a sweep varies, and how values of several axes are put together.

``grid`` takes every combination, ``list`` the first values together, then the second ones;
``random`` draws every axis on its own and ``latin_hypercube`` draws so that each of N equal parts
of an axis is met exactly once (McKay, Beckman and Conover, Technometrics 21, 1979).  Each axis has
a stream of random bits of its own, seeded by the sampling seed and its name: what is drawn for one
does not depend on which others there are.
"""

import hashlib
import itertools
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from escalate.errors import FrontEndError

Scalar = bool | int | float | str
Mode = Literal["grid", "list", "random", "latin_hypercube"]
Sample = dict[str, Scalar]


class SweepError(FrontEndError):
    """A sweep that cannot be run as written; ``lines`` holds one for each thing that is wrong."""

    @property
    def lines(self) -> list[str]:
        """The complaints."""
        return str(self).splitlines()


MOST = 10**15  # whole numbers up to here are exact as floats, too
WITHIN = Field(ge=-MOST, le=MOST)


class Range(BaseModel):
    """All numbers from ``min`` to ``max``: whole ones if both are; evenly by logarithm on demand.

    Examples
    --------
    >>> Range(min=1, max=4).at(0.99), Range(min=1.0, max=4.0, log=True).at(0.5)
    (4, 2.0)
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    min: Annotated[int, WITHIN] | Annotated[float, WITHIN]
    max: Annotated[int, WITHIN] | Annotated[float, WITHIN]
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.min < self.max:
            raise ValueError(f"min {self.min} and max {self.max}: wanted min < max")
        if self.log and self.min <= 0:
            raise ValueError(f"min {self.min}: wanted a number above 0 where log = true")
        return self

    def at(self, share: float) -> int | float:
        """The number at a share 0 <= share < 1 of the way; every whole number has equal weight."""
        whole = isinstance(self.min, int) and isinstance(self.max, int)
        low, high = float(self.min), float(self.max) + whole
        if self.log:
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            value = low + share * (high - low)
        if whole:  # the logarithm's rounding must not leave the range
            return max(int(self.min), min(int(value), int(self.max)))
        return max(low, min(value, high))


Axis = tuple[Scalar, ...] | Range


def combine(
    axes: Mapping[str, Axis], mode: Mode, *, points: int | None = None, seed: int = 0
) -> list[Sample]:
    """The values of all axes together, one mapping per sample.

    Parameters
    ----------
    axes : by name; a single value goes with everything
    mode : see above
    points : how many samples ``random`` and ``latin_hypercube`` draw
    seed : of what they draw

    Raises
    ------
    SweepError
        If a range stands where values are listed, lists differ in length, or points are missing.

    Examples
    --------
    >>> combine({"a": (1, 2), "b": (3, 4)}, "list")
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 4}]
    >>> len(combine({"a": (1, 2), "b": (3, 4)}, "grid"))
    4
    >>> found = combine({"a": Range(min=1, max=8)}, "latin_hypercube", points=8)
    >>> sorted(sample["a"] for sample in found)
    [1, 2, 3, 4, 5, 6, 7, 8]
    """
    if mode in ("random", "latin_hypercube"):
        if points is None:
            raise SweepError(f"points: missing, mode = {mode!r} wants their number")
        drawn = {name: _drawn(name, axis, mode, points, seed) for name, axis in axes.items()}
        return [{name: values[n] for name, values in drawn.items()} for n in range(points)]
    if points is not None:
        raise SweepError(f"points: goes with mode random or latin_hypercube, not {mode!r}")
    listed = {name: _listed(name, axis, mode) for name, axis in axes.items()}
    if mode == "grid":
        return [
            dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())
        ]
    return _together(listed)


def _listed(name: str, axis: Axis, mode: Mode) -> tuple[Scalar, ...]:
    if isinstance(axis, Range):
        raise SweepError(
            f"{name}: a range wants mode random or latin_hypercube, not {mode!r}; list the values"
        )
    return axis


def _together(listed: Mapping[str, tuple[Scalar, ...]]) -> list[Sample]:
    """First values together, then second ones; single values with all of them."""
    long = {name: len(values) for name, values in listed.items() if len(values) > 1}
    if len(set(long.values())) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in long.items())
        raise SweepError(f"mode = 'list': wanted lists of one length, {told}")
    count = max(long.values(), default=1)
    return [
        {name: values[n if len(values) > 1 else 0] for name, values in listed.items()}
        for n in range(count)
    ]


def _drawn(name: str, axis: Axis, mode: Mode, points: int, seed: int) -> list[Scalar]:
    words = np.frombuffer(hashlib.sha256(name.encode()).digest(), "<u4")
    source = np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, *words.tolist()])))
    shares = source.random(points)
    if mode == "latin_hypercube":
        shares = (source.permutation(points) + shares) / points
    return [_value(axis, share) for share in shares.tolist()]


def _value(axis: Axis, share: float) -> Scalar:
    if isinstance(axis, Range):
        return axis.at(share)
    return axis[min(int(share * len(axis)), len(axis) - 1)]


def as_axis(value: Any) -> Axis:
    """A single value, a list or a range, as an axis.

    Examples
    --------
    >>> as_axis(3), as_axis([1, 2])
    ((3,), (1, 2))
    """
    if isinstance(value, Range):
        return value
    return tuple(value) if isinstance(value, list | tuple) else (value,)
