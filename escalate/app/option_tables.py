"""option_tables: every option of every method as Markdown.

``python -m escalate.app.option_tables`` renews the tables of the documentation.
"""

from pathlib import Path

from pydantic import BaseModel

from arch.allowed import allowed
from escalate.compressors.options import Options, TrainedOptions
from escalate.compressors.registry import compressor, ours

MARK = "<!-- options: made by python -m escalate.app.option_tables -->"
END = "<!-- end of options -->"
FILE = "docs/compression.md"


def table(kind: type[BaseModel], without: type[BaseModel] | None = None) -> str:
    """A table of option, default, what is allowed, and meaning.

    Parameters
    ----------
    kind : options
    without : options whose fields are left out, where they are the same

    Examples
    --------
    >>> print(table(Options).splitlines()[2])
    | `seed` | 0 | 0 to 1e18 | Seed for shuffling training images and for drawing classes. |
    """
    lines = ["| option | default | allowed | meaning |", "|---|---|---|---|"]
    for name, info in kind.model_fields.items():
        inherited = None if without is None else without.model_fields.get(name)
        same = inherited is not None and inherited.description == info.description
        if name == "method" or same:
            continue
        default = "" if info.default is None else str(info.default)
        may = allowed(kind, name).replace("a whole number ", "").replace("|", "\\|")
        lines.append(f"| `{name}` | {default} | {may} | {info.description} |")
    return "\n".join(lines)


def tables() -> str:
    """Those of every method of ours, and before them what methods share."""
    methods = {name: compressor(name) for name in ours()}
    trained = ", ".join(f"`{name}`" for name, each in methods.items() if each.trained)
    parts = [
        ("Every method", table(Options)),
        (f"Methods that retrain: {trained}", table(TrainedOptions, Options)),
    ]
    for name, each in methods.items():
        shared = TrainedOptions if each.trained else Options
        found = table(each.options, shared)
        if found.count("\n") > 1:
            parts.append((f"`{name}`: {each.summary}", found))
    return "\n\n".join(f"**{title}**\n\n{found}" for title, found in parts)


def renewed(text: str) -> str:
    """``text`` with the tables behind the mark made again.

    Examples
    --------
    >>> renewed("no mark")
    'no mark'
    """
    before, mark, behind = text.partition(MARK)
    rest = behind.partition(END)[2]
    return f"{before}{mark}\n{tables()}\n{END}{rest}" if mark else text


def main() -> None:
    """Renew the tables in place."""
    path = Path(FILE)
    path.write_text(renewed(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
