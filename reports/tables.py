"""tables: frames as files: CSV and Parquet for programs, Markdown and LaTeX for people.

In the last two a column has one unit, which stands in its heading, and numbers of three digits.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.explorer import numbers_where_possible
from reports.quantity import (
    EXACT_BELOW,
    NO_BREAK,
    PREFIXES,
    THIN,
    Form,
    form,
    grouped,
    heading,
    rounded,
    setting,
)
from reports.svg import printable

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "–"
WIDE_CHARS = 28  # a column of longer words gets lines of its own width in LaTeX
WIDE_CM = 4
TOTALS = (
    "network",
    "machine",
    "preset",
    "cycles",
    "latency_s",
    "energy_j",
    "dram_bytes",
    "peak_bandwidth_bytes_per_s",
    "multiplier_utilization",
    "effective_tops_per_w",
    "area_mm2",
)  # what people want of the totals; all other columns stand in the CSV
TEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "µ": r"\textmu{}",
    "²": r"\textsuperscript{2}",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "–": "--",
    "…": r"\ldots{}",
    NO_BREAK: "~",
    THIN: r"\,",
}


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column for people: its heading with the unit, and its cells as words."""

    heading: str
    cells: tuple[str, ...]
    numeric: bool


def _scale(how: Form, values: Sequence[float]) -> int:
    """The power of ten, a multiple of three, that suits the middle of the values."""
    sizes = sorted(abs(value) for value in values if value)
    counts = how.kind == "count" and sizes and sizes[-1] >= EXACT_BELOW
    if not sizes or how.unit == "mm²" or not (how.kind == "si" or counts):
        return 0
    exponent = 3 * math.floor(math.log10(sizes[len(sizes) // 2]) / 3)
    return min(max(exponent, min(PREFIXES)), max(PREFIXES))


def _unit(how: Form, exponent: int) -> str:
    if how.kind == "share":
        return "%"
    if how.kind == "times":
        return "×"
    return PREFIXES[exponent] + how.unit


def _number(how: Form, value: float, exponent: int, whole: bool) -> str:
    """A cell without its unit."""
    if math.isnan(value):
        return NOTHING
    if how.kind == "share":
        return f"{100 * value:.1f}"
    if how.kind == "close":
        return f"{value:.3f}"
    if whole and not exponent and how.kind in ("exact", "count", "setting"):
        return grouped(int(value))
    return setting(value) if how.kind == "setting" else rounded(value / 10.0**exponent)


def text_column(name: str, cells: "pd.Series[Any]") -> TextColumn:
    """One column for people.

    Examples
    --------
    >>> import pandas as pd
    >>> text_column("latency_s", pd.Series([0.0012, 0.035]))
    TextColumn(heading='latency [ms]', cells=('1.20', '35.0'), numeric=True)
    """
    numbers = numbers_where_possible(cells)
    if numbers.dtype.kind not in "iuf":
        words = tuple(printable(str(v)) for v in cells.map(str, na_action="ignore").fillna(NOTHING))
        return TextColumn(printable(heading(name)), words, False)
    how = form(name)
    values = [float(value) for value in numbers]
    there = [value for value in values if not math.isnan(value)]
    exponent = _scale(how, there)
    whole = all(value.is_integer() for value in there)
    unit = _unit(how, exponent)
    title = printable(heading(name)) + (f" [{unit}]" if unit else "")
    return TextColumn(title, tuple(_number(how, v, exponent, whole) for v in values), True)


def text_columns(frame: "pd.DataFrame", names: Sequence[str] = ()) -> list[TextColumn]:
    """The columns ``names`` that the frame has, or all columns; empty ones are left out."""
    wanted = [name for name in names if name in frame] if names else list(frame.columns)
    return [text_column(n, frame[n]) for n in wanted if frame[n].notna().any()]


def markdown_text(text: str) -> str:
    """Text escaped so that Markdown shows it unchanged.

    Examples
    --------
    >>> print(markdown_text("a|b <script>"))
    a\\|b &lt;script>
    """
    return re.sub(r"([\\|*`])", r"\\\1", text).replace("<", "&lt;")


def tex_text(text: str) -> str:
    """Text escaped so that LaTeX prints it unchanged.

    Examples
    --------
    >>> print(tex_text("50 % of conv_1 & #2"))
    50 \\% of conv\\_1 \\& \\#2
    """
    return "".join(TEX.get(sign, sign) for sign in text)


def markdown(frame: "pd.DataFrame", names: Sequence[str] = ()) -> str:
    """A frame as a Markdown table whose columns also align as plain text.

    Examples
    --------
    >>> import pandas as pd
    >>> print(markdown(pd.DataFrame({"machine": ["a", "b"], "energy_j": [1e-6, 2e-5]})), end="")
    | machine | energy [µJ] |
    |:--------|------------:|
    | a       |        1.00 |
    | b       |        20.0 |
    """
    columns = text_columns(frame, names)
    texts = [[markdown_text(t) for t in (column.heading, *column.cells)] for column in columns]
    widths = [max(3, *map(len, text)) for text in texts]
    rules = [
        "-" * (width + 1) + ":" if column.numeric else ":" + "-" * (width + 1)
        for column, width in zip(columns, widths, strict=True)
    ]
    lines = [
        [
            t.rjust(w) if c.numeric else t.ljust(w)
            for c, w, t in zip(columns, widths, row, strict=True)
        ]
        for row in zip(*texts, strict=True)
    ]
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([*rows[:1], "|" + "|".join(rules) + "|", *rows[1:]]) + "\n"


def latex(frame: "pd.DataFrame", names: Sequence[str] = ()) -> str:
    r"""A frame as a LaTeX table in the style of the package booktabs.

    Examples
    --------
    >>> import pandas as pd
    >>> print(latex(pd.DataFrame({"machine": ["a_b"], "energy_j": [2e-5]})), end="")
    % wants \usepackage{booktabs}
    \begin{tabular}{@{}lr@{}}
    \toprule
    machine & energy [\textmu{}J] \\
    \midrule
    a\_b & 20.0 \\
    \bottomrule
    \end{tabular}
    """
    columns = text_columns(frame, names)
    kinds = "".join(_tex_kind(column) for column in columns)
    rows = [
        " & ".join(map(tex_text, cells)) for cells in zip(*(c.cells for c in columns), strict=True)
    ]
    heads = " & ".join(tex_text(column.heading) for column in columns)
    lines = [
        r"% wants \usepackage{booktabs}",
        rf"\begin{{tabular}}{{@{{}}{kinds}@{{}}}}",
        r"\toprule",
        rf"{heads} \\",
        r"\midrule",
        *(rf"{row} \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _tex_kind(column: TextColumn) -> str:
    if column.numeric:
        return "r"
    long = any(len(cell) > WIDE_CHARS for cell in column.cells)
    return f"p{{{WIDE_CM}cm}}" if long else "l"


def storable(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The frame with one type per column; a column that mixes words and numbers becomes words."""
    kinds = {
        name: {type(value) for value in frame[name].dropna()}
        for name in frame.columns
        if frame[name].dtype == object
    }
    mixed = [name for name, found in kinds.items() if len(found) > 1 and not found <= {int, float}]
    return frame.assign(**{name: frame[name].map(str, na_action="ignore") for name in mixed})


def write_data(folder: Path, name: str, frame: "pd.DataFrame") -> None:
    """Write ``name.csv`` and ``name.parquet``, with every column and digit."""
    frame.to_csv(folder / f"{name}.csv", index=False)
    storable(frame).to_parquet(folder / f"{name}.parquet", index=False)


def write_readable(
    folder: Path, name: str, frame: "pd.DataFrame", names: Sequence[str] = ()
) -> None:
    """Write ``name.md`` and ``name.tex``: the columns ``names``, with units in their headings."""
    (folder / f"{name}.md").write_text(markdown(frame, names), "utf-8")
    (folder / f"{name}.tex").write_text(latex(frame, names), "utf-8")
