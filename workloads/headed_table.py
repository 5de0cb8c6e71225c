"""Tables with a line of headings, as spreadsheets write them. Cells are found by heading."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workloads.errors import WorkloadError
from workloads.number import shown
from workloads.read_file import read_text

COMMENTS = ("#", "//")
REMARKS = frozenset(("", "remark", "remarks", "note", "notes", "comment", "comments"))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: its line number in the file, and its cells."""

    line: int
    cells: tuple[str, ...]

    def cell(self, place: int) -> str:
        """The cell in a column; empty if the line ends before it."""
        return self.cells[place] if place < len(self.cells) else ""


def read_rows(file: Path) -> list[Row]:
    """The lines of a CSV file, without comments, blank lines and lines of commas alone.

    Cells may be quoted; outer blanks are no part of them.

    Raises
    ------
    WorkloadError
        If the file cannot be read as text, or its quotes do not match, in one line.
    """
    try:
        lines = read_text(file, "utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WorkloadError(f"{file}: cannot be read as text: {error}") from error
    reader = csv.reader(lines, skipinitialspace=True, strict=True)
    rows = []
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells)
            if any(stripped) and not stripped[0].startswith(COMMENTS):
                rows.append(Row(reader.line_num, stripped))
    except csv.Error as error:
        raise WorkloadError(f"{file}: line {reader.line_num}: no CSV: {error}") from None
    return rows


def plain(heading: str) -> str:
    """A heading without capitals, double blanks, underscores and trailing marks.

    Examples
    --------
    >>> plain("IFMAP_Height "), plain("Num  Filter:")
    ('ifmap height', 'num filter')
    """
    return " ".join(heading.replace("_", " ").split()).rstrip(" :.").casefold()


def places(where: str, header: Row, known: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The column number of each wanted heading.

    Parameters
    ----------
    where : file and line, as errors begin
    header : the line of headings
    known : per column the headings that mean it, as ``plain`` writes them

    Raises
    ------
    WorkloadError
        For a heading that is unknown, or there twice.
    """
    meaning = {heading: column for column, headings in known.items() for heading in headings}
    found: dict[str, int] = {}
    for place, heading in enumerate(header.cells):
        if plain(heading) in REMARKS:
            continue
        column = meaning.get(plain(heading))
        if column is None:
            allowed = ", ".join(known)
            raise WorkloadError(
                f"{where}: column {shown(heading)} is unknown, allowed are {allowed}"
            )
        if column in found:
            raise WorkloadError(f"{where}: column {shown(heading)} is there twice")
        found[column] = place
    return found
