"""publish: a comparison of methods as CSV, Markdown, LaTeX, figures and one page."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.front_figures import front_panels
from reports.front_page import TABLE, front_page, readable
from reports.pages import write_whole
from reports.tables import latex, markdown

if TYPE_CHECKING:
    from escalate.app.pareto import Pareto

CSV, MACHINES, PAGE, MARKDOWN, LATEX = (
    "pareto.csv",
    "machines.csv",
    "page.html",
    "table.md",
    "table.tex",
)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV, what there is not as an empty cell.

    Examples
    --------
    >>> csv_text([{"method": "int8", "ratio": None}])
    'method,ratio\\nint8,\\n'
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0] if rows else (), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_pareto(found: "Pareto", target: Path) -> None:
    """The tables, the figures and the page, beside the points."""
    panels = front_panels(found.rows, found.curve, found.network)
    shown = pd.DataFrame(readable(found.rows))
    page = front_page(
        found.rows,
        pd.DataFrame(found.machine_rows),
        title=f"{found.network}: accuracy, bytes, cycles and energy",
        facts=found.facts,
        panels=panels,
        models=found.models,
        runs=found.runs,
        notes=found.notes,
    )
    files = {
        CSV: csv_text(found.rows),
        MACHINES: csv_text(found.machine_rows),
        MARKDOWN: markdown(shown, TABLE),
        LATEX: latex(shown, TABLE),
        PAGE: page,
        **{f"{panel.name}.svg": str(panel.wide) for panel in panels},
    }
    for name, text in files.items():
        write_whole(target / name, text)
