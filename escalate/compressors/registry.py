"""registry: methods by name: folders of ``escalate.compressors``, and those of distributions.

    [project.entry-points."escalate.compressors"]
    powers = "powers:COMPRESSOR"

Nothing of a method is imported before it is asked for. What is wrong with one that another
distribution brings is told then, in one line, and stands in nobody else's way.
"""

import inspect
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

from escalate.compressors.compressor import Compressor
from escalate.compressors.options import Options
from escalate.errors import DecompositionError
from workloads.plug_ins import Offer, names_in, offers_of

GROUP = "escalate.compressors"
FIRST = "escalate"  # the method that is taken where none is named
WORDS = ("summary", "kind", "layers", "form")


@cache
def ours() -> tuple[str, ...]:
    """The names of our methods, the one that is taken by default first.

    Examples
    --------
    >>> ours()[0], "prune" in ours()
    ('escalate', True)
    """
    return tuple(dict.fromkeys((FIRST, *names_in(__package__, folders=True))))


@cache
def offers() -> Mapping[str, Offer]:
    """What the installed distributions offer, by name; looked up once."""
    return offers_of(GROUP, "compressor")


def compressor_names() -> tuple[str, ...]:
    """Every method there is: ours, then those of installed distributions."""
    return tuple(dict.fromkeys((*ours(), *offers())))


def compressor(name: str) -> Compressor:
    """The method of that name.

    Raises
    ------
    DecompositionError
        Listing the methods there are, or telling what is wrong with an installed one.

    Examples
    --------
    >>> compressor("prune").form
    'pruned, 8 bit'
    """
    if name not in compressor_names():
        known = ", ".join(compressor_names())
        raise DecompositionError(f"{name}: no such method, wanted one of {known}")
    offered = offers().get(name)
    found: Compressor
    if offered is not None:
        found = offered.load(ours(), _problem, DecompositionError)
    else:
        found = import_module(f"{__package__}.{name}.compressor").COMPRESSOR
    return found


def compressors() -> dict[str, Compressor]:
    """Every method that can be used, by name."""
    found: dict[str, Compressor] = {}
    for name in compressor_names():
        with suppress(DecompositionError):  # told when it is asked for
            found[name] = compressor(name)
    return found


def _problem(found: object, name: str) -> str | None:
    """What keeps an object from being the method ``name``; None where nothing does."""
    if inspect.isclass(found):
        return f"{found.__name__} is a class, wanted one object of it"
    if not isinstance(found, Compressor):
        return f"{type(found).__name__} is no escalate.compressors.compressor.Compressor"
    if getattr(found, "name", None) != name:
        return f"name is {getattr(found, 'name', None)!r}, wanted {name!r}"
    for word in WORDS:
        if not isinstance(getattr(found, word, None), str):
            return f"{word} is {getattr(found, word, None)!r}, wanted words"
    return _wrong_options(getattr(found, "options", None), name)


def _wrong_options(kind: Any, name: str) -> str | None:
    if not (inspect.isclass(kind) and issubclass(kind, Options)):
        return f"options is {kind!r}, wanted a subclass of escalate.compressors.options.Options"
    if kind.model_fields["method"].default != name:
        return f"options.method is not {name!r} by default"
    for field, info in kind.model_fields.items():
        if not info.description:
            return f"options.{field} has no description"
    return None
