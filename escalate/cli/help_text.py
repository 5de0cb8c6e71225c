"""help_text: help that is as wide as the terminal, and examples that can be copied."""

import re
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

EXAMPLES = "Examples:"
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


def _untyped(ctx: Any) -> None:
    """No type, where help has a column of types."""


class _Helpful:
    """Paragraphs fill the lines; examples follow the options, a line each, however long."""

    help: str | None

    def format_help(self, context: Any, formatter: Any) -> None:
        """Print the help."""
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
