"""axis_plot: draw one cost over one axis of a sweep, a line per series; computes only positions."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from reports.plot import MARKERS, NARROW_PX, PALETTE
from reports.quantity import tick
from reports.svg import drawn, elided

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

HEIGHT_PX = 250
LEGEND_PX = 18  # one line of it
LEGEND_CHARS = 44  # in one column, half of it in two
TICK_CHARS = 12
LOG_FROM = 8  # costs whose largest is so many times their least get a logarithmic axis
ROOM = 1.12  # above the largest cost, for its dot
STYLES = ("-", "--", ":")


def axis_lines(
    lines: "pd.DataFrame",
    *,
    name: str,
    ticks: Sequence[str],
    axes: tuple[str, str],
    unit: str,
    series: Sequence[str],
    description: str,
    width_px: int = NARROW_PX,
) -> str:
    """A small figure with one line per series, over evenly spaced values of an axis.

    Parameters
    ----------
    lines : columns series, place (0, 1, …), cost, tip
    name : distinguishes the ids of several figures on one page
    ticks : what stands below the places
    axes : what the axis and the cost are
    unit : of the cost
    series : all series of the page, so that each keeps its colour
    description : read out by screen readers

    Returns
    -------
    One ``<svg>`` element.
    """
    shown = [each for each in series if (lines["series"] == each).any()]
    columns = 2 if all(len(each) <= LEGEND_CHARS // 2 for each in shown) else 1

    def draw(figure: Figure) -> Mapping[str, str]:
        plane = figure.add_subplot()
        tips: dict[str, str] = {}
        for each in shown:
            tips |= _line(plane, lines[lines["series"] == each], each, list(series).index(each))
        plane.set_xticks(range(len(ticks)), [elided(text, TICK_CHARS) for text in ticks])
        plane.set_xlim(-0.3, len(ticks) - 0.7)
        _scale_costs(plane, lines["cost"].min(), lines["cost"].max())
        plane.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, unit)))
        plane.set_xlabel(axes[0])
        plane.set_ylabel(axes[1])
        plane.grid(axis="y")
        figure.legend(loc="outside upper left", ncols=columns, handlelength=1)
        return tips

    height = HEIGHT_PX + LEGEND_PX * -(-len(shown) // columns)
    return drawn(name, description, (width_px, height), draw)


def _line(plane: "Axes", part: "pd.DataFrame", name: str, row: int) -> dict[str, str]:
    """Draw a series, the page's number ``row``; the tips of its dots by their ids."""
    color, marker = PALETTE[row % len(PALETTE)], MARKERS[row % len(MARKERS)]
    style = STYLES[row // len(PALETTE) % len(STYLES)]
    plane.plot(part["place"], part["cost"], style, color=color, linewidth=1.6)
    tips = {}
    for at, (place, cost, tip) in enumerate(
        zip(part["place"], part["cost"], part["tip"], strict=True)
    ):
        label = elided(name, LEGEND_CHARS) if at == 0 else None
        (dot,) = plane.plot(
            float(place), float(cost), marker, color=color, markersize=6, label=label
        )
        dot.set_gid(f"dot{row}-{at}")
        tips[f"dot{row}-{at}"] = str(tip)
    return tips


def _scale_costs(plane: "Axes", least: float, most: float) -> None:
    """A logarithmic axis where costs differ widely, else one from 0."""
    if least > 0 and most >= LOG_FROM * least:
        plane.set_yscale("log")
        plane.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        plane.yaxis.set_minor_formatter(NullFormatter())
    else:
        plane.set_ylim(0, ROOM * float(most))
