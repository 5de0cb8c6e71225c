"""knob: the one number of a method that a byte budget settles, found by bisection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from escalate.compressors.rate_distortion import MOST_CLUSTERS
from escalate.errors import BudgetError

if TYPE_CHECKING:
    from escalate.options import CompressOptions

SHARES = 1000  # steps of a density
OCTAVE = 128  # steps of a rate penalty that halves; one moves a size by half a percent at most
LEAST_PENALTY, MOST_PENALTY = -16, 6  # its powers of two: beyond them weights stay, or all are 0
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


def _density(number: int) -> Mapping[str, float]:
    return {"density": number / SHARES}


def _clusters(number: int) -> Mapping[str, float]:
    return {"clusters": number, "density": 1.0}


def _two_clusters(number: int) -> Mapping[str, float]:
    return {"clusters": 2, "density": number / SHARES}


def _penalty(number: int) -> Mapping[str, float]:
    return {"rate_penalty": 2.0 ** (MOST_PENALTY - number / OCTAVE)}


DENSITY = Knob("density", 1, SHARES, _density)
CLUSTERS = Knob("clusters", 2, MOST_CLUSTERS, _clusters)
TWO_CLUSTERS = Knob("density of two clusters", 1, SHARES - 1, _two_clusters)
PENALTY = Knob("rate", 0, OCTAVE * (MOST_PENALTY - LEAST_PENALTY), _penalty)


def knobs_of(options: "CompressOptions") -> tuple[Knob, ...]:
    """What a budget settles before anything is trained; none where training settles it all.

    The next one is turned where the lowest number of the one before does not fit.
    """
    if options.method == "rate_distortion":
        return (CLUSTERS, TWO_CLUSTERS) if options.clusters is None else (DENSITY,)
    if options.method == "vbq":
        return (PENALTY,)
    return (DENSITY,) if options.method in ("prune", "admm") else ()


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
