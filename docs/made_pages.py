"""made_pages: a hook of mkdocs that makes some pages when the site is built.

Commands come from the command line itself, the Python API from docstrings, assumptions and limits
from the README, fields of Basis-First from its spec, operators from their files, and validation
from the file ``extra.validation``, which ``make docs`` has ``escalate validate`` write.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

from arch.machine import machine
from escalate import API
from escalate.capture import operators as spellings
from escalate.cli.main import EXIT_CODES, app
from reports.assumptions import fields
from reports.validation import collapsed, shown, summary
from workloads.operator import ANY_NUMBER, Whole
from workloads.operators import NAMES, operator

ROOT = Path(__file__).parent.parent
STUDY = ("speedup_table", "pareto_front", "best_under", "axis_effect", "seed_spread")
BASES = ("arch.model.Model", "escalate.compressors.compressor.Compressor")
LARGE = 1000  # numbers from here on are shown without decimals
BASIS_FIRST = "Basis-First stands in the [README](../README.md).\n"


@event_priority(100)  # before the plugin looks at its configuration
def on_config(config: Any) -> Any:
    """Tell the plugin for docstrings where our packages and its extension are."""
    handler = config.plugins["mkdocstrings"].config.handlers["python"]
    handler["paths"] = [str(ROOT)]
    handler["options"]["extensions"] = [str(ROOT / "docs" / "docstrings.py")]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages made here."""
    numbers = Path(config.config_file_path).parent / config.extra["validation"]
    made = {
        "commands.md": commands(),
        "limits.md": limits(),
        "operators.md": operators(),
        "python.md": python(),
        "validation.md": validation(numbers),
    }
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put the fields of Basis-First where the page points to the README."""
    if page.file.src_uri != "machines.md":
        return markdown
    if BASIS_FIRST not in markdown:
        raise PluginError(f"machines.md: no line {BASIS_FIRST!r}")
    table = fields(machine("basis_first").spec_type)
    return markdown.replace(BASIS_FIRST, f"## Basis-First\n\n{table}\n")


def readme_section(title: str) -> str:
    """The text below a heading of the README, links as the pages need them."""
    text = (ROOT / "README.md").read_text("utf-8").partition(f"\n## {title}\n")[2]
    if not text:
        raise PluginError(f"README.md: no section {title!r}")
    return text.partition("\n## ")[0].replace("](docs/", "](").strip()


def limits() -> str:
    """Assumptions and limits: the README's, without the table that stands under machines."""
    text = readme_section("Limits and assumptions").partition("\nFields of the Basis-First")[0]
    return (
        f"# Assumptions and limits\n\n{text.strip()}\n\n"
        "[Machines and their fields](machines.md) lists every field, and what is assumed. To see "
        "the effect of each assumption on a network of yours:\n\n"
        "    escalate assumptions SOURCE --machine NAME\n"
    )


OPERATORS = """# Operators

The operators that a captured network may contain. Most attributes are whole numbers; the number in
brackets says how many. *Integers* are what a model stores for each node. The last column has the
names in `torch.export` (ATen) and in ONNX.
"""


def operators() -> str:
    """Every operator of a captured network, from its file and its names in torch and ONNX."""
    head = ("operator", "meaning", "attributes", "integers", "names in torch and ONNX")
    return f"{OPERATORS}\n{rows([head, *map(_operator, NAMES)])}"


def _operator(name: str) -> Sequence[str]:
    found = operator(name)
    about = (sys.modules[type(found).__module__].__doc__ or "").partition(": ")[2].strip()
    attributes = [f"`{field}`{_kind(rule)}" for field, rule in found.attributes.items()]
    spelled = {f"`{each}`": None for table in spellings.tables(name) for each in table}
    return (
        f"`{name}`",
        f"{about} {inspect.getdoc(found)}".replace("``", "`"),
        ", ".join(attributes),
        ", ".join(f"`{table}`" for table in found.stores),
        ", ".join(spelled),
    )


def _kind(rule: object) -> str:
    """How many whole numbers an attribute is; nothing for one of another kind."""
    if not isinstance(rule, Whole):
        return ""
    return " (any)" if rule.numbers == ANY_NUMBER else f" ({rule.numbers})"


def rows(lines: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown, its first line the headings."""
    head, *body = [[cell(value) for value in line] for line in lines]
    listed = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in listed) + "\n"


def cell(value: Any) -> str:
    """A value as text that breaks no table."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= LARGE else f"{value:.4g}"
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def validation(path: Path) -> str:
    """Every published number beside ours, machine by machine."""
    try:
        numbers = json.loads(path.read_text("utf-8"))["numbers"]
    except (OSError, ValueError, KeyError) as error:
        raise PluginError(f"{path}: {error}; `make docs` writes it") from error
    parts = ["# Validation\n", readme_section("How it is validated"), "\n## Published numbers\n"]
    parts.append(
        "Our numbers were computed when this page was built. If all cases of a quantity equal the "
        "published ones, they share one line.\n"
    )
    counts = summary(numbers)
    parts.append(rows([list(counts[0]), *(list(row.values()) for row in counts)]))
    for name in dict.fromkeys(row["machine"] for row in numbers):
        own = [row for row in numbers if row["machine"] == name]
        parts += [f"\n### {name}\n", _numbers(own), *_reasons(own)]
    return "\n".join(parts)


def _numbers(own: Sequence[Mapping[str, Any]]) -> str:
    names = ("quantity", "case", "published", "ours", "ratio", "band", "verdict")
    lines = [[row.get(name, "") for name in names] for row in shown(collapsed(own))]
    return rows([names, *lines])


def _reasons(own: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    outside = {row["reason"]: row["quantity"] for row in own if row["verdict"] == "outside"}
    if outside:
        yield "\nOutside their bands, and why:\n"
        yield "\n".join(f"- {what}: {why}" for why, what in outside.items()) + "\n"
    sources = dict.fromkeys(row["source"] for row in own)
    yield "\nSources:\n"
    yield "\n".join(f"- {source}" for source in sources) + "\n"


def commands() -> str:
    """Every command with its options and examples."""
    root = typer.main.get_command(app)
    parts = [
        "# Commands\n",
        "`escalate --help` lists them, `escalate COMMAND --help` prints what stands here.\n",
        EXIT_CODES + "\n",
        "## escalate\n",
        *_options(root),
    ]
    for name, command in _leaves(root):
        parts += [f"\n## escalate {name}\n", _prose(command.help or ""), *_options(command)]
    return "\n".join(parts)


def python() -> str:
    """The Python API, from its docstrings."""
    parts = [
        "# Python\n",
        "Commands of the same names do the same. A function is loaded when it is first used.\n",
        *(f"::: escalate.app.{name}.{name}" for name in API),
        "\n# Questions about results\n",
        *(f"::: reports.study.{name}" for name in STUDY),
        "\n# Machines and compressors of your own\n",
        "[Add a machine](own_machine.md) and [add a compressor](own_compressor.md) show how.\n",
        *(f"::: {name}" for name in BASES),
    ]
    return "\n".join(parts)


def _leaves(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield f"{before}{name}", command
        if hasattr(command, "commands"):
            yield from _leaves(command, f"{before}{name} ")


def _prose(text: str) -> str:
    """A command's own words: paragraphs, then its examples as code."""
    about, _, examples = text.replace("\b", "").partition("Examples:")
    lines = [f"    {line.strip()}" for line in examples.splitlines() if line.strip()]
    return about.strip() + "\n" + ("\n" + "\n".join(lines) + "\n" if lines else "")


def _options(command: Any) -> list[str]:
    """Arguments and options as a table."""
    lines = [("option", "default", "meaning")]
    for option in (*command.params, *getattr(command, "flags", ())):
        names = ", ".join(f"`{name}`" for name in option.opts)
        if option.param_type_name == "argument":
            names = f"`{option.metavar or option.name.upper()}`"
        elif not option.is_flag:
            names += f" {_value(option)}"
        lines.append((names, _default(option), option.help or ""))
    return ["\n" + rows(lines)] if len(lines) > 1 else []


def _value(option: Any) -> str:
    if isinstance(option.default, Enum):
        return ", ".join(choice.value for choice in type(option.default))
    return option.metavar or ""


def _default(option: Any) -> str:
    value = getattr(option.default, "value", option.default)
    hidden = value is None or value == "" or callable(value) or isinstance(value, bool)
    if hidden or re.search("sentinel|unset", repr(value), re.IGNORECASE):
        return ""
    return f"`{value}`"
