"""shortfall: a model that came out far smaller than it was asked to be, and why."""

from collections.abc import Mapping
from typing import Any

from escalate.recipe.knobs import knobs_of
from escalate.recipe.options import CompressOptions

FAR = 1.1  # reached over asked ratio from which on a model is far below its size
MIXED = "; mixed lets layers keep up to 8 bits"


def far_below(asked: float | None, reached: float) -> bool:
    """Whether a model is more than a tenth smaller than it was asked to be.

    Examples
    --------
    >>> far_below(10, 25.8), far_below(10, 10.9), far_below(None, 4.3)
    (True, False, False)
    """
    return asked is not None and reached > FAR * asked


def why_below(asked: CompressOptions, chosen: Mapping[str, Any]) -> str:
    """Why a method made less of a model than its budget allows.

    Parameters
    ----------
    asked : the options with the budget
    chosen : the fields that followed from it, as a model keeps them

    Examples
    --------
    >>> why_below(CompressOptions(method="prune", ratio=2), {"density": 1.0})
    'density = 1 is the largest setting of prune'
    >>> why_below(CompressOptions(method="prune", ratio=9), {"density": 0.2})
    'it became smaller in training than its setting (density = 0.2) was measured to be'
    """
    if asked.method == "escalate":
        told = "no layer had a larger form that fits when forms were chosen"
        return told if asked.mixed else f"{told}{MIXED}"
    knobs = knobs_of(asked)
    if not knobs:
        return f"weights of {asked.method} are that small before a group is dropped"
    most = knobs[0].fields(knobs[0].high)
    if all(chosen.get(name) == value for name, value in most.items()):
        told = ", ".join(f"{name} = {value:g}" for name, value in most.items())
        return f"{told} is the largest setting of {asked.method}"
    told = ", ".join(f"{name} = {chosen[name]:g}" for name in most if name in chosen)
    return f"it became smaller in training than its setting ({told}) was measured to be"
