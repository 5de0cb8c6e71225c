"""knob: the one number of a method that a byte budget settles, found by bisection."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from escalate.errors import BudgetError

if TYPE_CHECKING:
    from escalate.compressors.options import Options

Found = TypeVar("Found")
SHARES = 1000  # steps of a density
MEASURED_IMAGES = 64  # enough to size a model, whose bytes hardly depend on them


@dataclass(frozen=True, slots=True)
class Knob:
    """A number low..high, whose model grows with it, and the options that follow from it.

    Only the highest number may make a smaller model than those below it: that all weights stay
    needs no word for where they are.
    """

    what: str
    low: int
    high: int
    fields: Callable[[int], Mapping[str, float]]


def density_knob(what: str = "density", high: int = SHARES, **also: float) -> Knob:
    """The option ``density`` in thousandths, from one thousandth on.

    Examples
    --------
    >>> density_knob().fields(250)
    {'density': 0.25}
    """
    return Knob(what, 1, high, lambda number: {**also, "density": number / SHARES})


def largest(
    made: Callable[[int], tuple[int, Found]], budget: int, low: int, high: int, what: str
) -> Found:
    """What is made of the largest number in low..high whose size is within the budget.

    Sizes are taken to rise with the number, save that the highest number may make less; where they
    do not, what is returned fits all the same.

    Parameters
    ----------
    made : size in bytes, and what is made
    budget : bytes
    what : for the message

    Raises
    ------
    BudgetError
        If not even the lowest fits.

    Examples
    --------
    >>> largest(lambda n: (10 * n, f"{n} clusters"), 47, 2, 255, "clusters")
    '4 clusters'
    """
    size, best = made(high)
    if size <= budget:
        return best
    size, best = made(low)
    if size > budget:
        raise BudgetError(
            f"budget: the smallest {what} makes {size} bytes, wanted at most {budget}"
        )
    high = max(low, high - 1)
    while low < high:
        middle = (low + high + 1) // 2
        size, found = made(middle)
        if size <= budget:
            low, best = middle, found
        else:
            high = middle - 1
    return best


def turned(
    knobs: Sequence[Knob],
    options: "Options",
    budget: int,
    size: Callable[["Options", int | None], int],
) -> "Options":
    """The options whose ratio is replaced by what the first knob gives that fits the budget.

    Parameters
    ----------
    knobs : in the order in which they are tried; without any the ratio just goes
    options : with a ratio
    budget : bytes
    size : stored bytes of the model that options make, calibrated on so many images or on all

    Raises
    ------
    BudgetError
        If the lowest number of the last knob does not fit.
    """

    def chosen(knob: Knob, number: int) -> "Options":
        return options.but(ratio=None, **knob.fields(number))

    def within(knob: Knob) -> int:
        def made(number: int) -> tuple[int, int]:
            return size(chosen(knob, number), MEASURED_IMAGES), number

        target = budget
        while True:
            number = largest(made, target, knob.low, knob.high, knob.what)
            beyond = size(chosen(knob, number), None) - budget
            if beyond <= 0:
                return number
            target -= beyond  # all images make it larger by a few bytes

    for knob in knobs[:-1]:
        with suppress(BudgetError):
            return chosen(knob, within(knob))
    return chosen(knobs[-1], within(knobs[-1])) if knobs else options.but(ratio=None)
