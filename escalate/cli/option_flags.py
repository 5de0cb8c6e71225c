"""option_flags: a flag for every field of every method's options, made from the fields themselves.

A method that is added, ours or another distribution's, has its flags without a line here. They are
made when the command is asked for, so that other commands do not wait for them.
"""

import inspect
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer

from escalate.cli.help_text import Command
from escalate.cli.numbers import ANY_REAL, ANY_WHOLE, Real, Whole

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

GIVEN = "escalate.options"  # under which a context keeps the options that were given
EVERY, RETRAINING, SEVERAL, ONLY = "Every method", "Retraining", "Several methods", "Only {}"
METAVARS = {int: "N", float: "X", str: "TEXT", bool: None}
READERS: Mapping[type, Whole | Real] = {int: ANY_WHOLE, float: ANY_REAL}
METHOD = "method"


class OptionCommand(Command):
    """A command that takes the options of every method; ``given_options`` has them."""

    @cached_property
    def flags(self) -> list[Any]:
        """One flag for each field that one word can give."""
        return made_flags()

    def get_params(self, ctx: Any) -> list[Any]:
        """Those of the command, and the flags."""
        *own, last = super().get_params(ctx)  # the last one is --help
        return [*own, *self.flags, last]

    def invoke(self, ctx: Any) -> Any:
        """Run the command, the flags apart from its own parameters."""
        values = {flag.name: ctx.params.pop(flag.name) for flag in self.flags}
        ctx.meta[GIVEN] = {name: value for name, value in values.items() if value is not None}
        return super().invoke(ctx)


def given_options(context: typer.Context) -> dict[str, Any]:
    """The options that were given on the command line, by name."""
    found: dict[str, Any] = context.meta[GIVEN]
    return found


def made_flags() -> list[Any]:
    """The flags, those of every method first, then those of several, then each method's own."""
    from escalate.recipe.options import option_fields

    hints: dict[str, Any] = {}
    panels: dict[str, str] = {}
    for name, methods in option_fields().items():
        infos = {method: each.options.model_fields[name] for method, each in methods.items()}
        first = next(iter(infos.values()))
        kind = kind_of(first.annotation)
        if kind is None:
            continue
        panels[name] = panel(name, list(infos))
        text = method_help() if name == METHOD else told(infos, panels[name])
        hints[name] = Annotated[kind | None, _option(name, kind, first, text, panels[name])]
    names = sorted(hints, key=lambda name: _rank(panels[name]))
    return _as_typer_makes_them({name: hints[name] for name in names})


def _option(name: str, kind: type, info: "FieldInfo", text: str, title: str) -> Any:
    flag = f"--{name.replace('_', '-')}"
    if kind is bool and info.default is not False:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    found = choices(info.annotation)
    return typer.Option(
        flag,
        metavar="KIND" if found else METAVARS[kind],
        help=text,
        show_default=False,
        rich_help_panel=title,
        parser=READERS.get(kind),
        autocompletion=_completion(found) if found else None,
    )


def _completion(words: Sequence[str]) -> Any:
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def _as_typer_makes_them(hints: Mapping[str, Any]) -> list[Any]:
    """Parameters of a command that has these and no others."""

    def command(**fields: Any) -> None:
        pass

    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter(name, kind, default=None, annotation=hint) for name, hint in hints.items()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = dict(hints)
    app = typer.Typer(add_completion=False)
    app.command()(command)
    return list(typer.main.get_command(app).params)


def panel(name: str, methods: Sequence[str]) -> str:
    """The part of the help that a field stands in."""
    from escalate.compressors.options import Options, TrainedOptions

    if name in Options.model_fields:
        return EVERY
    if name in TrainedOptions.model_fields:
        return RETRAINING
    return SEVERAL if len(methods) > 1 else ONLY.format(methods[0])


def _rank(title: str) -> int:
    known = (EVERY, RETRAINING, SEVERAL)
    return known.index(title) if title in known else len(known)


def method_help() -> str:
    """Every method in a few words.

    Examples
    --------
    >>> method_help().split("; ")[0]
    'escalate (default): ternary coefficients of an 8-bit basis'
    """
    from escalate.compressors.registry import FIRST, compressors

    told = [
        f"{name}{' (default)' if name == FIRST else ''}: {each.summary}"
        for name, each in compressors().items()
    ]
    return f"{'; '.join(told)}."


def told(infos: "Mapping[str, FieldInfo]", title: str) -> str:
    """What a field means, by method where methods differ.

    Parameters
    ----------
    infos : the field as each method has it
    title : the panel, which says whose the field is where that is all or one
    """
    texts: dict[str, list[str]] = {}
    for method, info in infos.items():
        texts.setdefault(meaning(info), []).append(method)
    if len(texts) == 1:
        text = next(iter(texts))
        return f"{text} ({', '.join(infos)})" if title == SEVERAL else text
    return " ".join(f"{', '.join(methods)}: {text}" for text, methods in texts.items())


def meaning(info: "FieldInfo") -> str:
    """Description, choices and default of a field."""
    text, default = (info.description or "").rstrip("."), info.default
    found = choices(info.annotation)
    if any(choice not in text for choice in found):
        words = [f"{each} (default)" if each == default else each for each in found]
        return f"{text}: {', '.join(words)}."
    if default is True:
        text += "; on by default"
    elif isinstance(default, str | int | float) and not isinstance(default, bool):
        text += f"; {default if isinstance(default, str) else format(default, 'g')} by default"
    return f"{text}."


def choices(annotation: Any) -> tuple[str, ...]:
    """The words that a field may be; none where it is no choice.

    Examples
    --------
    >>> choices(Literal["rows", "tiles"] | None), choices(int)
    (('rows', 'tiles'), ())
    """
    for kind in _kinds(annotation):
        if get_origin(kind) is Literal:
            return get_args(kind)
    return ()


def kind_of(annotation: Any) -> type | None:
    """The type of the one word that gives a field; None where it takes more than a word.

    Examples
    --------
    >>> kind_of(int | Mapping[str, int] | None), kind_of(Literal["rows"]), kind_of(tuple[int, int])
    (<class 'int'>, <class 'str'>, None)
    """
    for kind in _kinds(annotation):
        if get_origin(kind) is Literal:
            return str
        if kind in METAVARS:
            found: type = kind
            return found
    return None


def _kinds(annotation: Any) -> list[Any]:
    """The types that a field may have, without None and bounds."""
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [kind for each in get_args(annotation) for kind in _kinds(each)]
    return [] if annotation in (None, NoneType) else [annotation]
