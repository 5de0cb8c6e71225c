"""DataFrame -> SVG text of curves, one for each series."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from reports.plot import (
    FEW_DECADES,
    GREY,
    LEGEND_CHARS,
    LEGEND_PX,
    MARKERS,
    PALETTE,
    WIDE_PX,
)
from reports.quantity import tick
from reports.svg import drawn, elided

if TYPE_CHECKING:
    import pandas as pd


def _series(plane: Axes, part: "pd.DataFrame", row: int, name: str) -> dict[str, str]:
    """The points of one series and what joins them; returns the tool tips."""
    label = elided(name, LEGEND_CHARS)
    if "reference" in part and bool(part["reference"].all()):
        plane.plot(part["x"], part["y"], "--", color=GREY, linewidth=1.4, label=label)
        return {}
    color, marker = PALETTE[row % len(PALETTE)], MARKERS[row % len(MARKERS)]
    style = ("-", "--", ":")[row // len(PALETTE) % 3]
    plane.plot(part["x"], part["y"], style, color=color, linewidth=1.4)
    tips: dict[str, str] = {}
    for at, (x, y, tip) in enumerate(zip(part["x"], part["y"], part["tip"], strict=True)):
        named = label if at == 0 else None
        (dot,) = plane.plot(float(x), float(y), marker, color=color, markersize=5, label=named)
        dot.set_gid(f"dot{row}-{at}")
        tips[f"dot{row}-{at}"] = str(tip)
    return tips


def curves(
    points: "pd.DataFrame",
    *,
    axes: tuple[str, str],
    name: str,
    description: str,
    log: tuple[bool, bool] = (False, False),
    width_px: int = WIDE_PX,
) -> str:
    """Points joined into one line per series, in the order of their rows.

    Parameters
    ----------
    points : columns series, x, y, tip; where ``reference`` is a column and True of a series, that
        is a dashed line without points
    axes : what x and y are
    name, description : as for ``stacked_bars``
    log : whether x, y have logarithmic axes; points that are not above 0 there are left out

    Returns
    -------
    One ``<svg>`` element.
    """

    def draw(figure: Figure) -> Mapping[str, str]:
        plane = figure.add_subplot()
        tips: dict[str, str] = {}
        shown = points
        for column, logarithmic in zip(("x", "y"), log, strict=True):
            if logarithmic:
                shown = shown[shown[column] > 0]
        plane.set_xscale("log" if log[0] else "linear")
        plane.set_yscale("log" if log[1] else "linear")
        for row, (series, part) in enumerate(shown.groupby("series", sort=False)):
            tips |= _series(plane, part, row, str(series))
        plane.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, "")))
        plane.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        for axis, column, logarithmic in zip((plane.xaxis, plane.yaxis), "xy", log, strict=True):
            if logarithmic:
                axis.set_minor_formatter(NullFormatter())
                if shown[column].max() < FEW_DECADES * shown[column].min():
                    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        plane.set_xlabel(axes[0])
        plane.set_ylabel(axes[1])
        plane.grid(which="major")
        figure.legend(loc="outside upper left", ncols=width_px // LEGEND_PX)
        return tips

    entries = points["series"].nunique()
    height = 400 + 18 * -(-entries // (width_px // LEGEND_PX))
    return drawn(name, description, (width_px, height), draw)
