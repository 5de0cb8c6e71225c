"""Read the tables in arch/tables: rows of published numbers, and energies as published."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Figure:
    """Picojoules of one action before any scaling or rounding, with their source."""

    pj: Fraction
    source: str

    def times(self, factor: int | Fraction) -> "Figure":
        """The energy of ``factor`` such actions, or of the action scaled by it."""
        return Figure(self.pj * factor, self.source)


@dataclass(frozen=True, slots=True)
class MemoryFigures:
    """One memory: the energy of each kind of access, and of one cycle of leakage."""

    read: Figure
    write: Figure
    leak: Figure


def table_rows(text: str) -> tuple[Mapping[str, str], ...]:
    """The rows of a table given as text; lines that start with ``#`` are remarks.

    Examples
    --------
    >>> table_rows("# a remark\\nname,pJ\\nadder,2\\n")
    ({'name': 'adder', 'pJ': '2'},)
    """
    return tuple(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


@cache
def rows(file: str) -> tuple[Mapping[str, str], ...]:
    """The rows of one table.

    Examples
    --------
    >>> rows("aladdin_40nm.csv")[0]["component"]
    'adder'
    """
    return table_rows(resources.files("arch").joinpath("tables", file).read_text("utf-8"))


def row(file: str, column: str, key: str) -> Mapping[str, str]:
    """The first row whose ``column`` holds ``key``.

    Examples
    --------
    >>> row("dram.csv", "kind", "HBM2")["pJ_per_bit"]
    '3.9'
    """
    return next(entry for entry in rows(file) if entry[column] == key)
