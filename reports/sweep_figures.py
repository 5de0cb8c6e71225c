"""sweep_figures: points of a sweep as one cost over one axis; means are computed here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.axis_plot import axis_lines
from reports.explorer import cell, numbers_where_possible
from reports.pareto import COSTS
from reports.quantity import AXIS, heading, unit_of
from reports.ratios import geometric_mean

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

MOST_PLACES = 16  # an axis with more values, as random sampling gives, has the large figure only


@dataclass(frozen=True, slots=True)
class AxisFigure:
    """One small figure: a cost over an axis, and what was averaged in it."""

    name: str
    title: str
    svg: "Markup"
    caption: str


def series_names(points: "pd.DataFrame") -> "pd.Series[str]":
    """The line of each point: its machine, and its network if there are several."""
    names = points["machine"].astype(str)
    kinds = points["preset"].astype(str).str.split(" ").str[0]
    if (kinds.groupby(names).nunique() > 1).any():
        names = names + " · " + kinds
    if points["network"].nunique() > 1:
        names = names + " · " + points["network"].astype(str)
    return names


def axis_values(points: "pd.DataFrame", axis: str) -> list[Any]:
    """The values of an axis in order, numbers by size; points without the axis are skipped."""
    cells = numbers_where_possible(points[f"{AXIS}{axis}"]).dropna()
    return sorted(cells.unique().tolist(), key=lambda value: (isinstance(value, str), value))


def drawn_axes(points: "pd.DataFrame", axes: Sequence[str]) -> list[str]:
    """The axes that get a small figure: those with more than one value, and not too many."""
    return [name for name in axes if 1 < len(axis_values(points, name)) <= MOST_PLACES]


def axis_frame(points: "pd.DataFrame", axis: str, cost: str) -> "pd.DataFrame":
    """The geometric mean of ``cost`` for each series and value of ``axis``.

    Points whose machine lacks the axis, or that have no cost above 0, are left out.

    Returns
    -------
    Columns series, value, place (of the value in the order of :func:`axis_values`), cost, points
    (how many were averaged), tip.
    """
    import pandas as pd

    values = axis_values(points, axis)
    column = f"{AXIS}{axis}"
    known = points.assign(series=series_names(points))
    known = known[known[column].notna() & (known[cost] > 0)]
    rows = []
    for name in dict.fromkeys(known["series"]):
        for place, value in enumerate(values):
            same = known[(known["series"] == name) & (known[column] == value)]
            if len(same):
                mean = geometric_mean(same[cost])
                tip = f"{name}, {heading(axis)} {cell(column, value)}: {cell(cost, mean)}"
                many = f", geometric mean of {len(same)} points" if len(same) > 1 else ""
                rows.append((name, value, place, mean, len(same), tip + many))
    return pd.DataFrame(rows, columns=["series", "value", "place", "cost", "points", "tip"])


def _caption(lines: "pd.DataFrame") -> str:
    counts = sorted(set(lines["points"]))
    if counts == [1]:
        return "Each dot is one point."
    many = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"Each dot is the geometric mean of {many} points over the other axes."


def axis_figures(points: "pd.DataFrame", axes: Sequence[str]) -> list[AxisFigure]:
    """Latency and energy over each axis that was varied."""
    from markupsafe import Markup

    series = list(dict.fromkeys(series_names(points)))
    found = []
    for number, axis in enumerate(drawn_axes(points, axes)):
        for cost in COSTS:
            lines = axis_frame(points, axis, cost)
            if lines.empty:
                continue
            name = f"axis{number}-{cost.rpartition('_')[0]}"
            title = f"{heading(cost)} against {heading(axis)}"
            svg = axis_lines(
                lines,
                name=name,
                ticks=[cell(f"{AXIS}{axis}", value) for value in axis_values(points, axis)],
                axes=(heading(axis), heading(cost)),
                unit=unit_of(cost),
                series=series,
                description=title,
            )
            found.append(AxisFigure(name, title, Markup(svg), _caption(lines)))
    return found
