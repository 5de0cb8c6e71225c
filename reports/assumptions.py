"""The fields of every machine as Markdown; ``python -m reports.assumptions`` updates the tables."""

from pathlib import Path

from arch.allowed import allowed
from arch.machine import MACHINES, machine
from arch.spec import MachineSpec

MARK = "<!-- fields of {name}: made by python -m reports.assumptions -->"
END = "<!-- end -->"
FILES = ("README.md", "docs/machines.md")
ASSUMED = "Assumption: "


def fields(spec: type[MachineSpec]) -> str:
    """A table of field, default, what is allowed, and meaning.

    Examples
    --------
    >>> print(fields(MachineSpec).splitlines()[2])
    | `clock_hz` | 800000000 | 1e6 to 1e10 |  | clock frequency, Hz |
    """
    lines = ["| field | default | allowed | assumed | meaning |", "|---|---|---|---|---|"]
    for name, info in spec.model_fields.items():
        meaning = (info.description or "").replace("|", "\\|")
        assumed = "yes" if ASSUMED in meaning else ""
        meaning = meaning.replace(ASSUMED, "")
        cells = (
            f"`{name}`",
            str(info.default),
            allowed(spec, name).replace("a whole number ", ""),
            assumed,
            meaning,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def renewed(text: str) -> str:
    """``text`` with the table after every mark made again.

    Examples
    --------
    >>> print(renewed("no mark"))
    no mark
    """
    for name in MACHINES:
        before, mark, behind = text.partition(MARK.format(name=name))
        if mark:
            rest = behind.partition(END)[2]
            text = f"{before}{mark}\n{fields(machine(name).spec_type)}\n{END}{rest}"
    return text


def main() -> None:
    """Update the tables of all files in place."""
    for path in map(Path, FILES):
        path.write_text(renewed(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
