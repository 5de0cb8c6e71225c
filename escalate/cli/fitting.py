"""fitting: which columns of a table a terminal has room for."""

import shutil
from collections.abc import Sequence
from contextvars import ContextVar

UNKNOWN = 80, 24  # columns and lines where nobody says
GAP = 2  # between two columns
FOLDED = 24  # characters of a text that may be folded at its blanks
_wide: ContextVar[bool] = ContextVar("wide", default=False)


def be_wide(wanted: bool) -> None:
    """Whether tables have all columns, as ``--wide`` asks."""
    _wide.set(wanted)


def terminal_width() -> int:
    """Characters in a line: what COLUMNS says, else the terminal, else 80."""
    return shutil.get_terminal_size(UNKNOWN).columns


def fitted(columns: Sequence[Sequence[str]], numeric: Sequence[bool]) -> tuple[list[int], int]:
    """Columns, from the left, that fit side by side: the least width of each, and of the table.

    Parameters
    ----------
    columns : the heading and the cells of each
    numeric : whether they are numbers, which are never folded; texts are, at their blanks

    Examples
    --------
    >>> be_wide(True)
    >>> fitted([["layer", "conv1"], ["cycles", "123 456"]], [False, True])
    ([5, 7], 14)
    >>> be_wide(False)
    """
    natural = [max(map(len, cells)) for cells in columns]
    if _wide.get():
        return natural, sum(natural) + GAP * (len(columns) - 1)
    least = [
        size if whole else min(size, max(FOLDED, _longest_word(cells)))
        for cells, size, whole in zip(columns, natural, numeric, strict=True)
    ]
    width = terminal_width()
    count = len(columns)
    while count > 1 and sum(least[:count]) + GAP * (count - 1) > width:
        count -= 1
    return least[:count], width


def _longest_word(cells: Sequence[str]) -> int:
    return max(len(word) for cell in cells for word in cell.split(" "))
