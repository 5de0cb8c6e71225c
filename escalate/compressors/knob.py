"""knob: the one number of a method that a byte budget settles, found by bisection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from escalate.errors import BudgetError

Found = TypeVar("Found")


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
