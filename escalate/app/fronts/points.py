"""points: the models that a comparison of methods consists of, and the options of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from escalate.app.recipe import check_fields, options_of, read_options
from escalate.compressors.options import Options
from escalate.compressors.registry import compressor, compressor_names
from escalate.errors import DecompositionError
from escalate.recipe.options import meaningless

PLAIN = "int8"  # the method that always takes part, to compare with
SETTLED = ("method", "ratio")  # fields that a point settles


@dataclass(frozen=True, slots=True)
class Recipe:
    """What several methods are told.

    Parameters
    ----------
    shared : options; left out for methods to which they mean nothing
    own : by method, fields for it alone, which go before shared ones and must mean something to it

    Raises
    ------
    DecompositionError
        If ``own`` names something else than a method, or settles method or ratio.
    """

    shared: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for method, fields in self.own.items():
            compressor(method)
            for name in set(SETTLED).intersection(fields):
                raise DecompositionError(f"[{method}] {name}: follows from the methods and ratios")

    def over(self, given: Mapping[str, Any]) -> "Recipe":
        """The recipe in which the fields that were given go before all others."""
        own = {m: {k: v for k, v in each.items() if k not in given} for m, each in self.own.items()}
        return Recipe({**self.shared, **given}, own)

    def fields(self, method: str, ratio: float | None) -> dict[str, Any]:
        """The fields for one model.

        Examples
        --------
        >>> recipe = Recipe({"basis": 4, "epochs": 9, "seed": 1}, {"prune": {"epochs": 3}})
        >>> recipe.fields("prune", 10)
        {'epochs': 3, 'seed': 1, 'method': 'prune', 'ratio': 10}
        """
        without = {*meaningless(method), *SETTLED}
        shared = {name: value for name, value in self.shared.items() if name not in without}
        asked = {"method": method} if ratio is None else {"method": method, "ratio": ratio}
        return {**shared, **self.own.get(method, {}), **asked}


def recipe_in(path: str | Path) -> Recipe:
    """The recipe in a TOML file: fields for all methods, and a table for each that wants its own.

    Raises
    ------
    DecompositionError
        If the file cannot be read or holds a field that does not exist.
    """
    shared = read_options(path)
    own = {name: shared.pop(name) for name in compressor_names() if name in shared}
    check_fields(path, shared)
    for name, table in own.items():
        if not isinstance(table, Mapping):
            raise DecompositionError(f"{path}: {name} = {table!r}: wanted a table of options")
        check_fields(f"{path}: [{name}]", table)
    return Recipe(shared, own)


@dataclass(frozen=True, slots=True)
class Point:
    """One model to make.

    Parameters
    ----------
    method : its name
    ratio : how many times smaller than FP32; None for a method without a budget
    fields : what ``compress`` is told
    options : the same, checked
    """

    method: str
    ratio: float | None
    fields: Mapping[str, Any]
    options: Options

    @property
    def name(self) -> str:
        """The folder's."""
        return self.method if self.ratio is None else f"{self.method}-{self.ratio:g}"

    @property
    def asked(self) -> dict[str, Any]:
        """The options as a model remembers them."""
        return self.options.recorded()


def points_of(methods: Sequence[str], ratios: Sequence[float], recipe: Recipe) -> tuple[Point, ...]:
    """The plain 8-bit network, and each method at each ratio, smallest ratio first.

    Raises
    ------
    DecompositionError
        In one line, for a method or options that cannot be.

    Examples
    --------
    >>> [point.name for point in points_of(["prune"], [20, 10], Recipe())]
    ['int8', 'prune-10', 'prune-20']
    """
    for name in methods:
        compressor(name)
    if not methods or not ratios:
        raise DecompositionError(f"pareto: no {'ratio' if methods else 'method'} was given")
    found = []
    for method in dict.fromkeys((PLAIN, *methods)):
        budgets = sorted(set(ratios)) if compressor(method).budgeted else [None]
        for ratio in budgets:
            fields = recipe.fields(method, ratio)
            found.append(Point(method, ratio, fields, options_of(fields)))
    return tuple(found)
