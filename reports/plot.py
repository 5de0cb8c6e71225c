"""Draw a DataFrame as SVG text; computes only positions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from reports.quantity import si, tick
from reports.svg import SENTINEL, drawn, elided

if TYPE_CHECKING:
    import pandas as pd

# Told apart by the common kinds of colour blindness, and on white as on black.
# Source: Okabe and Ito, Color Universal Design, without its yellow and black; then one of ours.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#7a5ccc")
GREY = "#8a8a8a"
VERDICTS: Mapping[str, str] = {
    "inside": PALETTE[2],
    "outside": PALETTE[3],
    "lower bound": PALETTE[1],
    "reported": PALETTE[0],
}
FINE_TICKS = (0.8, 0.9, 1, 1.1, 1.25)
COARSE_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
FEW_DECADES = 100  # a logarithmic axis up to this ratio has ticks between powers of ten
FINE_UP_TO = 1.5  # ratios up to this, or down to its inverse, get the fine ticks
KEPT: Mapping[str, str] = {"idle": GREY, "other": GREY}  # the same in every figure
HATCHES = (None, "////", "....")  # a second and third turn through the palette
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
WIDE_PX = 720
NARROW_PX = 380  # for a phone's screen
BAR_PX = 22
VALUE_PX = 70  # room for the number behind the longest bar
LEGEND_PX = 170  # one entry of a legend
LEGEND_CHARS = 22
LABEL_PX = 18  # of the width for each character of a bar's label


def paints(names: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """Colour and hatch of each name; with all names of a page, a name looks the same everywhere.

    Examples
    --------
    >>> paints(["busy", "idle", "drain"])
    {'busy': ('#0072b2', None), 'idle': ('#8a8a8a', None), 'drain': ('#e69f00', None)}
    """
    free = [name for name in names if name not in KEPT]
    return {
        name: (KEPT[name], None)
        if name in KEPT
        else (
            PALETTE[free.index(name) % len(PALETTE)],
            HATCHES[free.index(name) // len(PALETTE) % len(HATCHES)],
        )
        for name in names
    }


def _lines(axes: Axes, labels: Iterable[object], title: str, width_px: int) -> None:
    """One line of the figure per label, the first on top; ``title`` is what the x axis means."""
    shown = [elided(str(label), width_px // LABEL_PX) for label in labels]
    axes.set_yticks(range(len(shown)), shown)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel(title)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def _bars(
    axes: Axes, frame: "pd.DataFrame", unit: str, paint: Mapping[str, tuple[str, str | None]]
) -> dict[str, str]:
    """One horizontal bar per row, one coloured piece per column; returns the tool tips."""
    tips: dict[str, str] = {}
    ends = [0.0] * len(frame)
    whole = [float(total) or 1.0 for total in frame.sum(axis=1)]
    for column, name in enumerate(frame.columns):
        values = [float(value) for value in frame.iloc[:, column]]
        color, hatch = paint[str(name)]
        pieces = axes.barh(
            range(len(frame)),
            values,
            left=ends,
            facecolor=color,
            hatch=hatch,
            edgecolor=SENTINEL,
            linewidth=0,
            label=elided(str(name), LEGEND_CHARS),
            height=0.72,
        )
        for row, (piece, value) in enumerate(zip(pieces, values, strict=True)):
            piece.set_gid(f"bar{row}-{column}")
            share = f"{100 * value / whole[row]:.1f} %"
            tips[f"bar{row}-{column}"] = f"{frame.index[row]}, {name}: {si(value, unit)}, {share}"
        ends = [end + value for end, value in zip(ends, values, strict=True)]
    for row, end in enumerate(ends):
        axes.annotate(
            si(end, unit), (end, row), (5, 0), textcoords="offset points", va="center", fontsize=11
        )
    return tips


def stacked_bars(
    frame: "pd.DataFrame",
    *,
    name: str,
    axis: str,
    description: str,
    unit: str = "",
    names: Sequence[str] = (),
    width_px: int = WIDE_PX,
) -> str:
    """Rows as horizontal bars, stacked from the columns.

    Parameters
    ----------
    frame : one row per bar, one column per colour, values >= 0
    name : distinguishes the ids of several figures on one page
    axis : what the length of a bar means
    description : read out by screen readers
    unit : of the values; printed with SI prefixes
    names : all columns of the figures that must share their colours

    Returns
    -------
    One ``<svg>`` element.
    """

    columns = [str(column) for column in frame.columns]
    legend_columns = width_px // LEGEND_PX
    paint = paints([*names, *(column for column in columns if column not in names)])

    def draw(figure: Figure) -> Mapping[str, str]:
        axes = figure.add_subplot()
        tips = _bars(axes, frame, unit, paint)
        _lines(axes, frame.index, axis, width_px)
        axes.spines["left"].set_visible(False)
        longest = float(frame.sum(axis=1).max()) if len(frame) else 0.0
        axes.set_xlim(0, (1 + VALUE_PX / (0.7 * width_px)) * longest or 1.0)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, unit)))
        axes.xaxis.set_major_locator(
            matplotlib.ticker.MaxNLocator(max(3, width_px // 140), steps=[1, 2, 2.5, 5, 10])
        )
        if len(frame.columns):
            figure.legend(
                loc="outside upper left", ncols=legend_columns, handlelength=1, handleheight=1
            )
        return tips

    legend_rows = -(-len(frame.columns) // legend_columns)
    height = BAR_PX * len(frame) + 18 * legend_rows + 70
    return drawn(name, description, (width_px, height), draw)


def deviations(
    ratios: "pd.Series[float]",
    *,
    name: str,
    axis: str,
    description: str,
    width_px: int = WIDE_PX,
) -> str:
    """Horizontal bars that start at 1: smaller values go left, larger ones go right.

    Parameters
    ----------
    ratios : one bar each, labelled by the index, values > 0
    name, axis, description : as for ``stacked_bars``

    Returns
    -------
    One ``<svg>`` element.
    """

    values = [float(value) for value in ratios]

    def draw(figure: Figure) -> Mapping[str, str]:
        axes = figure.add_subplot()
        tips: dict[str, str] = {}
        colors = [PALETTE[3] if value > 1 else PALETTE[2] for value in values]
        bars = axes.barh(range(len(values)), [v - 1 for v in values], left=1, color=colors)
        for row, (bar, value) in enumerate(zip(bars, values, strict=True)):
            bar.set_gid(f"bar{row}")
            tips[f"bar{row}"] = f"{ratios.index[row]}: {value:.3f}"
            side = 1 if value >= 1 else -1
            axes.annotate(
                f"{value:.2f}",
                (value, row),
                (5 * side, 0),
                textcoords="offset points",
                va="center",
                ha="left" if side > 0 else "right",
                fontsize=11,
            )
        _lines(axes, ratios.index, axis, width_px)
        axes.spines["left"].set_visible(False)
        spread = max((abs(value - 1) for value in values), default=0.0) or 1.0
        low = 1 - min(values, default=1.0)
        axes.set_xlim(1 - low - 0.18 * spread, 1 + 1.18 * max(max(values, default=1.0) - 1, 0.1))
        axes.axvline(1, color=SENTINEL, linewidth=1)
        return tips

    return drawn(name, description, (width_px, BAR_PX * len(values) + 70), draw)


def _roofs(axes: Axes, roofs: "pd.DataFrame", span: tuple[float, float]) -> None:
    """The bandwidth each machine can reach, and one MAC per multiplier and cycle."""
    for bandwidth in sorted({float(value) for value in roofs["bytes_per_s"]}):
        axes.plot(
            span,
            [x * bandwidth for x in span],
            color=SENTINEL,
            linewidth=1.2,
            label=f"DRAM {tick(bandwidth, 'B/s')}",
        )
    for row, rate in enumerate(roofs["multiplies_per_s"]):
        color = PALETTE[row % len(PALETTE)]
        axes.axhline(float(rate), color=color, linewidth=1.2, linestyle=(2 * row, (5, 5)))


def roofline(
    points: "pd.DataFrame",
    roofs: "pd.DataFrame",
    *,
    name: str,
    description: str,
    width_px: int = WIDE_PX,
) -> str:
    """Each layer at its dense MACs per DRAM byte and per second, under the limits of its machine.

    Parameters
    ----------
    points : columns run, layer, macs_per_byte, macs_per_s
    roofs : one row per run, columns bytes_per_s, multiplies_per_s

    Returns
    -------
    One ``<svg>`` element.
    """

    def draw(figure: Figure) -> Mapping[str, str]:
        axes = figure.add_subplot()
        tips: dict[str, str] = {}
        axes.set_xscale("log")
        axes.set_yscale("log")
        _roofs(
            axes,
            roofs,
            (float(points["macs_per_byte"].min()) / 2, float(points["macs_per_byte"].max()) * 2),
        )
        for row, run in enumerate(roofs.index):
            color, marker = PALETTE[row % len(PALETTE)], MARKERS[row % len(MARKERS)]
            for at, point in enumerate(points[points["run"] == run].itertuples()):
                (dot,) = axes.plot(
                    point.macs_per_byte,
                    point.macs_per_s,
                    marker,
                    color=color,
                    markersize=7,
                    alpha=0.8,
                    label=elided(str(run), LEGEND_CHARS) if at == 0 else None,
                )
                dot.set_gid(f"dot{row}-{at}")
                tips[f"dot{row}-{at}"] = (
                    f"{run}, {point.layer}: {si(point.macs_per_s, 'MAC/s')} "
                    f"at {si(point.macs_per_byte, 'MAC/B')}"
                )
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, "")))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, "")))
        axes.set_xlabel("dense MACs per DRAM byte")
        axes.set_ylabel("dense MACs per second")
        axes.grid(which="major")
        figure.legend(loc="outside upper left", ncols=width_px // LEGEND_PX)
        return tips

    return drawn(name, description, (width_px, 420), draw)


def ratio_dots(
    points: "pd.DataFrame",
    *,
    name: str,
    axis: str,
    description: str,
    width_px: int = WIDE_PX,
) -> str:
    """One line per series, a dot for each ratio on a logarithmic axis around 1.

    Parameters
    ----------
    points : columns series, ratio (above 0), verdict, tip; one colour per verdict
    name, axis, description : as for ``stacked_bars``

    Returns
    -------
    One ``<svg>`` element.
    """
    series = list(dict.fromkeys(points["series"]))
    verdicts = list(dict.fromkeys(points["verdict"]))

    def draw(figure: Figure) -> Mapping[str, str]:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.axvline(1, color=SENTINEL, linewidth=1)
        tips: dict[str, str] = {}
        told: set[str] = set()
        columns = (points[column] for column in ("series", "ratio", "verdict", "tip"))
        for at, (which, ratio, verdict, tip) in enumerate(zip(*columns, strict=True)):
            (dot,) = axes.plot(
                float(ratio),
                series.index(which),
                MARKERS[verdicts.index(verdict) % len(MARKERS)],
                color=VERDICTS.get(verdict, GREY),
                markersize=7,
                alpha=0.75,
                label=None if verdict in told else verdict,
            )
            told.add(verdict)
            dot.set_gid(f"dot{at}")
            tips[f"dot{at}"] = str(tip)
        spread = max(1.25, *(max(ratio, 1 / ratio) for ratio in points["ratio"])) ** 1.1
        axes.set_xlim(1 / spread, spread)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        ticks = FINE_TICKS if spread <= FINE_UP_TO else COARSE_TICKS
        axes.set_xticks([place for place in ticks if 1 / spread <= place <= spread])
        _lines(axes, series, axis, width_px)
        figure.legend(loc="outside upper left", ncols=width_px // LEGEND_PX)
        return tips

    return drawn(name, description, (width_px, BAR_PX * len(series) + 90), draw)
