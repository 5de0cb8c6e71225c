"""plug_ins: parts that are found by name: files of a folder, or entry points of distributions.

Nothing of them is imported before one is asked for.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")  # what lists with commas and `--set` can tell apart


def names_in(package: str, *, folders: bool = False) -> tuple[str, ...]:
    """The names of modules and packages inside a package, or of packages only, sorted.

    Examples
    --------
    >>> "plug_ins" in names_in("workloads"), names_in("workloads", folders=True)[:1]
    (True, ('formats',))
    """
    spec = find_spec(package)
    places = None if spec is None else spec.submodule_search_locations
    found = [each for each in iter_modules(places) if each.ispkg or not folders]
    return tuple(sorted(each.name for each in found))


@dataclass(frozen=True, slots=True)
class Offer:
    """One name, and all entry points that claim it.

    Parameters
    ----------
    what : what it is: machine, compressor
    points : entry points
    """

    what: str
    points: tuple[EntryPoint, ...]

    def load(
        self,
        ours: Collection[str],
        problem: Callable[[object, str], str | None],
        error: type[ValueError],
    ) -> Any:
        """Import the object that is offered.

        Parameters
        ----------
        ours : names that are taken
        problem : what keeps an object from being used under a name; None where nothing does
        error : what to raise

        Raises
        ------
        ValueError
            One line: entry point, distribution, and what is wrong.
        """
        point = self.points[0]
        told = self._wrong_name(point, ours)
        if told is not None:
            raise error(self._refused(point, told))
        try:
            found = point.load()
        except Exception as cause:  # whatever a stranger's module does when it is imported
            told = " ".join(f"{type(cause).__name__}: {cause}".split())
            raise error(self._refused(point, f"cannot be imported: {told}")) from cause
        told = problem(found, point.name)
        if told is not None:
            raise error(self._refused(point, told))
        return found

    def _wrong_name(self, point: EntryPoint, ours: Collection[str]) -> str | None:
        if point.name in ours:
            return f"the name {point.name!r} is one of our {self.what}s'"
        if len(self.points) > 1:
            other = _distribution(self.points[1])
            return f"{other} claims the name {point.name!r} too"
        if not NAME.fullmatch(point.name):
            return f"the name {point.name!r} is not made of letters, digits, _ and -"
        return None

    def _refused(self, point: EntryPoint, problem: str) -> str:
        place = f"{point.name} = {point.value} of {_distribution(point)}"
        return f"{self.what} {point.name!r}: entry point {place}: {problem}"


def offers_of(group: str, what: str) -> Mapping[str, Offer]:
    """What installed distributions offer in a group of entry points, by name."""
    by_name: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=group):
        same = by_name.setdefault(point.name, [])
        if all(_where(point) != _where(other) for other in same):  # one may be seen twice
            same.append(point)
    return {name: Offer(what, tuple(points)) for name, points in sorted(by_name.items())}


def _distribution(point: EntryPoint) -> str:
    return "an unnamed distribution" if point.dist is None else point.dist.name


def _where(point: EntryPoint) -> tuple[str, str]:
    return _distribution(point), point.value
