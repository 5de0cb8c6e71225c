"""foreign: machines that other distributions bring, by entry points of ``escalate.machines``.

    [project.entry-points."escalate.machines"]
    lane_skip = "lane_skip:MACHINE"

Nothing is imported before a machine is asked for.  What is wrong with one is told then, in one
line with its entry point and its distribution, and stands in nobody else's way.
"""

import inspect
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from arch.errors import SpecError
from arch.spec import MachineSpec

GROUP = "escalate.machines"
WORDS = ("name", "summary", "source")
SWITCHES = ("eats_shapes", "eats_basis")
METHODS = ("run", "run_shape", "prices", "resources")
MEMBERS = (*WORDS, "spec_type", "presets", *SWITCHES, *METHODS)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")  # what --machines and --set can tell apart


@dataclass(frozen=True, slots=True)
class Offer:
    """One name, and every entry point that claims it."""

    points: tuple[EntryPoint, ...]

    def load(self, ours: Collection[str]) -> Any:
        """The machine; ``ours`` are names that are taken.

        Raises
        ------
        SpecError
            One line: entry point, distribution, and what is wrong.
        """
        point = self.points[0]
        if point.name in ours:
            raise _refused(point, f"the name {point.name!r} is one of our machines'")
        if len(self.points) > 1:
            other = _distribution(self.points[1])
            raise _refused(point, f"{other} claims the name {point.name!r} too")
        if not NAME.fullmatch(point.name):
            raise _refused(
                point, f"the name {point.name!r} is not made of letters, digits, _ and -"
            )
        try:
            found = point.load()
        except Exception as error:  # whatever a stranger's module does when it is imported
            told = " ".join(f"{type(error).__name__}: {error}".split())
            raise _refused(point, f"cannot be imported: {told}") from error
        problem = _problem(found, point.name)
        if problem is not None:
            raise _refused(point, problem)
        return found


@cache
def offers() -> Mapping[str, Offer]:
    """What the installed distributions offer, by name; looked up once."""
    by_name: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        same = by_name.setdefault(point.name, [])
        if all(_where(point) != _where(other) for other in same):  # one may be seen twice
            same.append(point)
    return {name: Offer(tuple(points)) for name, points in sorted(by_name.items())}


def _distribution(point: EntryPoint) -> str:
    return "an unnamed distribution" if point.dist is None else point.dist.name


def _where(point: EntryPoint) -> tuple[str, str]:
    return _distribution(point), point.value


def _refused(point: EntryPoint, problem: str) -> SpecError:
    place = f"{point.name} = {point.value} of {_distribution(point)}"
    return SpecError(f"machine {point.name!r}: entry point {place}: {problem}")


def _problem(found: object, name: str) -> str | None:
    """What keeps an object from being the machine ``name``; None where nothing does."""
    if inspect.isclass(found):
        return f"{found.__name__} is a class, wanted one object of it"
    missing = [member for member in MEMBERS if not hasattr(found, member)]
    if missing:
        return f"{type(found).__name__} has no {', '.join(missing)}"
    machine: Any = found
    if machine.name != name:
        return f"name is {machine.name!r}, wanted {name!r}"
    return _wrong_type(machine) or _wrong_presets(machine.presets, machine.spec_type)


def _wrong_type(machine: Any) -> str | None:
    wanted: Sequence[tuple[Sequence[str], type, str]] = (
        (WORDS, str, "words"),
        (SWITCHES, bool, "True or False"),
    )
    for names, kind, told in wanted:
        for name in names:
            if not isinstance(getattr(machine, name), kind):
                return f"{name} is {getattr(machine, name)!r}, wanted {told}"
    for name in METHODS:
        if not callable(getattr(machine, name)):
            return f"{name} is {getattr(machine, name)!r}, wanted a method"
    kind = machine.spec_type
    if not (inspect.isclass(kind) and issubclass(kind, MachineSpec)):
        return f"spec_type is {kind!r}, wanted a subclass of arch.spec.MachineSpec"
    return None


def _wrong_presets(presets: object, kind: type[MachineSpec]) -> str | None:
    if not isinstance(presets, Mapping) or not presets:
        return f"presets is {presets!r}, wanted a mapping with at least one {kind.__name__}"
    for name, spec in presets.items():
        if not isinstance(spec, kind):
            return f"preset {name!r} is a {type(spec).__name__}, wanted a {kind.__name__}"
    return None
