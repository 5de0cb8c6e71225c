"""foreign: machines of other distributions, found by entry points of ``escalate.machines``.

    [project.entry-points."escalate.machines"]
    lane_skip = "lane_skip:MACHINE"

Nothing is imported before a machine is asked for.  What is wrong with one is told then, in one
line with its entry point and its distribution, and stands in nobody else's way.
"""

import inspect
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from arch.errors import SpecError
from arch.spec import MachineSpec
from workloads.plug_ins import Offer, offers_of

GROUP = "escalate.machines"
WORDS = ("name", "summary", "source")
SWITCHES = ("eats_shapes", "eats_basis")
METHODS = ("run", "run_shape", "prices", "resources")
MEMBERS = (*WORDS, "spec_type", "presets", *SWITCHES, *METHODS)


@cache
def offers() -> Mapping[str, Offer]:
    """The machines that installed distributions offer, by name; looked up once."""
    return offers_of(GROUP, "machine")


def loaded(offer: Offer, ours: Collection[str]) -> Any:
    """The offered machine; the names in ``ours`` are already taken.

    Raises
    ------
    SpecError
        One line: entry point, distribution, and what is wrong.
    """
    return offer.load(ours, _problem, SpecError)


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
