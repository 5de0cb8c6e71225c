"""explorer: a frame of many rows as JSON in a page, column by column, for the page's table."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.columns import COLUMNS, FRONT, QUALITY, SWEEP, described
from reports.quantity import form, heading, quantity

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

SCRIPTS = ("quantity.js", "rows.js", "menus.js", "sight.js", "explorer.js")  # what a page runs
NEVER = ("spec_json", "provenance_json", "digest")  # of use to programs; the files hold them
SIGNIFICANT = 7  # digits of a float in a page; the files hold all of them
MOST_CELLS = 1_500_000  # about 10 MB of page
NUMBER_KINDS = "iuf"  # dtypes of numpy that are numbers


@dataclass(frozen=True, slots=True)
class Explorer:
    """What a template needs to show a table of rows.

    Parameters
    ----------
    name : id on the page, and name of the CSV that one can download
    title : heading
    data : JSON that no cell can leave, for a ``<script type="application/json">``
    constant : what is the same in all rows, by heading
    left_out : columns that the page has no room for
    """

    name: str
    title: str
    data: "Markup"
    constant: Mapping[str, str]
    left_out: tuple[str, ...]


def embedded(value: Any) -> "Markup":
    """JSON that is safe inside a ``<script>``: no cell can close the script or open a comment.

    Examples
    --------
    >>> print(embedded({"layer": "</script><!--"}))
    {"layer":"\\u003c/script\\u003e\\u003c!--"}
    """
    from markupsafe import Markup

    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def meaning(name: str) -> str:
    """The meaning of a column in words; empty if it has no description.

    Examples
    --------
    >>> meaning("latency_s"), meaning("charm")
    ('cycles divided by the clock frequency', '')
    """
    entry = described(name)
    return {**COLUMNS, **QUALITY, **SWEEP, **FRONT}[entry][1].replace("`", "") if entry else ""


def short(value: float) -> int | float | None:
    """A number with as many digits as a page needs; None if it is not finite.

    Examples
    --------
    >>> short(1 / 3), short(4.0), short(float("nan"))
    (0.3333333, 4, None)
    """
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{SIGNIFICANT}g}")
    return int(value) if value.is_integer() and abs(value) < 2**53 else rounded


def _whole(numbers: "pd.Series[Any]") -> bool:
    """Whether all that is there are integers, be it as floats because some are missing."""
    if numbers.dtype.kind in "iu":
        return True
    there = numbers.dropna()
    return bool((there % 1 == 0).all())


def _number_column(name: str, cells: "pd.Series[Any]") -> dict[str, Any]:
    how = form(name)
    integers = cells.dtype.kind in "iu"
    values = cells.tolist() if integers else [short(value) for value in cells.tolist()]
    return {"kind": how.kind, "unit": how.unit, "whole": _whole(cells), "values": values}


def _text_column(cells: "pd.Series[Any]") -> dict[str, Any]:
    codes, words = cells.map(str, na_action="ignore").factorize()
    return {"words": [str(word) for word in words], "codes": codes.tolist()}


def _column(name: str, cells: "pd.Series[Any]") -> dict[str, Any]:
    about = {"name": name, "heading": heading(name), "meaning": meaning(name)}
    numeric = cells.dtype.kind in NUMBER_KINDS
    return about | (_number_column(name, cells) if numeric else _text_column(cells))


def numbers_where_possible(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column of objects as floats if all its values are numbers; otherwise unchanged."""
    import pandas as pd

    if cells.dtype.kind in NUMBER_KINDS:
        return cells
    there = cells.dropna()
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in there) and len(there):
        return pd.to_numeric(cells).astype(float)
    return cells


def cell(name: str, value: Any) -> str:
    """A single value as the table of rows shows it.

    Examples
    --------
    >>> cell("axis_pe_blocks", 16.0), cell("energy_j", 0.0012), cell("mode", None)
    ('16', '1.20\\xa0mJ', '–')
    """
    value = _plain(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return quantity(name, value).text


def _constants(frame: "pd.DataFrame", kept: Sequence[str]) -> dict[str, str]:
    """Columns of which all rows hold the same; of one row nothing is called constant."""
    if len(frame) < 2:
        return {}
    some = frame.iloc[0]
    names = [n for n in frame.columns if n not in kept and frame[n].nunique(dropna=False) == 1]
    return {str(name): cell(str(name), some[name]) for name in names}


def _plain(value: Any) -> Any:
    """A value of numpy as one of Python."""
    return value.item() if hasattr(value, "item") else value


def explorer(
    frame: "pd.DataFrame",
    *,
    name: str,
    title: str,
    shown: Sequence[str],
    picks: Sequence[str] = (),
    opens: Mapping[str, str] | None = None,
    kept: Sequence[str] = (),
    scatter: Mapping[str, Any] | None = None,
) -> Explorer:
    """Everything that the page's script needs of a frame.

    Parameters
    ----------
    frame : the rows; the first of ``shown`` becomes the heading of each row
    name, title : see :class:`Explorer`
    shown : columns that are seen at first
    picks : columns whose values get checkboxes
    opens : column -> another table of the page, which a click on a cell limits to its word
    kept : columns that stay even if they are constant, as the first of ``shown`` does
    scatter : what the figure of these rows starts with: x, y, colour, symbol, costs, tip

    Notes
    -----
    Columns that are the same in all rows become words below the table.  The columns in ``shown``
    come first; later ones are left out once the page would hold ``MOST_CELLS`` cells.
    """
    usable = [column for column in frame.columns if column not in NEVER]
    constant = _constants(frame[usable], (*shown[:1], *kept))
    varied = [column for column in usable if column not in constant]
    first = [column for column in shown if column in varied]
    order = first + [column for column in varied if column not in first]
    room = max(len(first), MOST_CELLS // max(1, len(frame)))
    columns = [_column(n, numbers_where_possible(frame[n])) for n in order[:room]]
    for column in columns:
        if opens and column["name"] in opens:
            column["opens"] = opens[column["name"]]
    there = [column["name"] for column in columns]
    data = {
        "name": name,
        "rows": len(frame),
        "columns": columns,
        "shown": first,
        "picks": [column for column in picks if column in there],
        "scatter": dict(scatter) if scatter else None,
    }
    told = {heading(column): text for column, text in constant.items()}
    return Explorer(name, title, embedded(data), told, tuple(order[room:]))
