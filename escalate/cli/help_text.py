"""help_text: help that is as wide as the terminal, and examples that can be copied."""

import re
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

EXAMPLES = "Examples:"
LATE = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}
INSIDE = re.compile(r"(?<!\n)\n(?!\n)")  # a line end inside a paragraph


def split(text: str) -> tuple[str, list[str]]:
    """A docstring as paragraphs of one line each, and its examples.

    Examples
    --------
    >>> split("Do it.\\n\\nOf two\\nlines.\\n\\nExamples:\\n\\n  escalate a\\n\\n  escalate b")
    ('Do it.\\n\\nOf two lines.', ['escalate a', 'escalate b'])
    """
    about, _, examples = text.partition(EXAMPLES)
    lines = [line.strip() for line in examples.splitlines()]
    return INSIDE.sub(" ", about.strip()), [line for line in lines if line]


def import_renderer() -> None:
    """Import Typer's renderer of help; its Markdown and tracebacks, which ours has not, when used.

    They and what they stand on, two parsers, take longer to import than all the rest.
    """
    late = [name for name in LATE if name not in sys.modules]
    sys.modules.update({name: _stand_in(name, LATE[name]) for name in late})
    try:
        import_module("typer.rich_utils")
    finally:
        for name in late:
            del sys.modules[name]


def _stand_in(module: str, name: str) -> ModuleType:
    """A module with one class, which is imported when an object of it is made."""

    def made(_: type, *arguments: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **named)

    found = ModuleType(module)
    setattr(found, name, type(name, (), {"__new__": made}))
    return found


def _untyped(ctx: Any) -> None:
    """No type, where help has a column of types."""


class _Helpful:
    """Paragraphs fill the lines; examples follow the options, a line each, however long."""

    help: str | None

    def format_help(self, context: Any, formatter: Any) -> None:
        """Print the help."""
        import_renderer()
        for each in self.get_params(context):  # type: ignore[attr-defined]
            if isinstance(each, TyperArgument) or each.is_flag:
                each.display_type_rich = _untyped  # a name, or nothing, is all there is to give
        written = self.help
        about, examples = split(written or "")
        self.help = about
        try:
            super().format_help(context, formatter)  # type: ignore[misc]
        finally:
            self.help = written
        if examples:
            typer.echo("\n".join([f" {EXAMPLES}", *(f"   {line}" for line in examples), ""]))


class Command(_Helpful, TyperCommand):
    """A command with such a help."""


class Group(_Helpful, TyperGroup):
    """A command with commands of its own, likewise."""
