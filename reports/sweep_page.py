"""sweep_page: the points and layers of a sweep as one self-contained HTML page."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reports.errors import ReportError
from reports.explorer import SCRIPTS, Explorer, cell, explorer
from reports.pages import Script, Table, our_script, rendered, script, table
from reports.pareto import COSTS, on_front
from reports.quantity import AXIS, grouped, heading
from reports.ratios import RATIOS, SHARED
from reports.sweep_figures import MOST_PLACES, axis_figures, axis_values
from reports.sweep_ratios import with_ratios

if TYPE_CHECKING:
    import pandas as pd

MOST_CARDS = 8  # networks that have a card
CHANGED = "machine changed: "  # a note that the axes and the column preset make needless
NEEDED = ("point", "network", "machine", "preset", "macs", *COSTS)
POINT = (
    "cycles",
    "dram_bytes",
    "edp_j_s",
    "effective_tops_per_w",
    "area_mm2",
    "memory_stall_fraction",
)
LAYER = (
    "mode",
    "cycles",
    "memory_stall_fraction",
    "energy_j",
    "dram_bytes",
    "macs",
    "effectual_ops",
    "multiplier_utilization",
)
MADE_OF = ("multipliers", "adders", "sram_bytes", "area_mm2")


def _checked(
    layers: "pd.DataFrame", points: "pd.DataFrame", axes: Sequence[str]
) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Both frames with rows numbered from 0.

    Raises
    ------
    ReportError
        If a column is missing, there is no point, or two have one name.
    """
    columns = [f"{AXIS}{name}" for name in axes]
    for what, frame, needed in (("points", points, NEEDED), ("layers", layers, ("point", "layer"))):
        missing = [name for name in (*needed, *columns) if name not in frame]
        if missing:
            raise ReportError(f"{what} of a sweep lack the column {missing[0]!r}")
    if points.empty:
        raise ReportError("a page of a sweep needs at least one point")
    twice = points["point"][points["point"].duplicated()]
    if len(twice):
        raise ReportError(f"point {twice.iloc[0]!r} stands twice, wanted one row per point")
    return layers.reset_index(drop=True), points.reset_index(drop=True)


def setting(point: "pd.Series[Any]", axes: Sequence[str]) -> str:
    """A point in words: its machine, and its value on each axis that it has."""
    told = [str(point["machine"])]
    for name in axes:
        value = point[f"{AXIS}{name}"]
        if value == value and value is not None:
            told.append(f"{heading(name)} {cell(f'{AXIS}{name}', value)}")
    return ", ".join(told)


def _cards(points: "pd.DataFrame", axes: Sequence[str]) -> list[dict[str, Any]]:
    """How much was run, and the best points of each network."""
    counts = {
        "points": len(points),
        "networks": points["network"].nunique(),
        "machines": points["machine"].nunique(),
        "on a Pareto front": int((points["front"] == "yes").sum()),
    }
    items = [{"name": name, "text": grouped(int(n)), "about": ""} for name, n in counts.items()]
    cards = [{"label": "What was swept", "entries": items}]
    varied = [name for name in axes if points[f"{AXIS}{name}"].nunique() > 1]
    for network, same in list(points.groupby("network", sort=False))[:MOST_CARDS]:
        cards.append({"label": str(network), "entries": _best(same, varied)})
    return cards


def _best(points: "pd.DataFrame", axes: Sequence[str]) -> list[dict[str, str]]:
    """The point of the lowest latency and that of the lowest energy, in large print."""
    entries = []
    for cost in COSTS:
        if points[cost].notna().any():
            best = points.sort_values(cost, kind="stable").iloc[0]
            text = cell(cost, best[cost])
            about = f"{best['point']}: {setting(best, axes)}"
            entries.append({"name": f"lowest {heading(cost)}", "text": text, "about": about})
    return entries


def _facts(
    points: "pd.DataFrame", axes: Sequence[str], facts: Mapping[str, str] | None
) -> dict[str, str]:
    """What was run: the caller's words, then every axis with its values."""
    told = dict(facts or {})
    for name in ("network", "machine"):
        told.setdefault(f"{name}s", ", ".join(dict.fromkeys(points[name].astype(str))))
    for name in axes:
        values = axis_values(points, name)
        texts = [cell(f"{AXIS}{name}", value) for value in values]
        if len(texts) > MOST_PLACES:
            texts = [f"{len(texts)} values from {texts[0]} to {texts[-1]}"]
        told.setdefault(heading(name), ", ".join(texts) or "–")
    return told


def _points(points: "pd.DataFrame", axes: Sequence[str]) -> Explorer:
    columns = [f"{AXIS}{name}" for name in axes]
    names = [str(name) for name in points]
    own = [name for name in names if name.endswith("accuracy") or name == "compression_ratio"]
    identity = ["network", "machine"]
    start = {
        "x": COSTS[0],
        "y": COSTS[1],
        "colour": next((n for n in ("machine", *columns) if points[n].nunique() > 1), "front"),
        "symbol": "network" if points["network"].nunique() > 1 else "machine",
        "costs": COSTS,
        "tip": ["point", *identity, *columns],
    }
    return explorer(
        points,
        name="points",
        title="Points",
        shown=["point", *identity, "front", *COSTS, *columns, *RATIOS, *own, *POINT],
        picks=[*identity, *columns, "front"],
        opens={"point": "layers"},
        kept=["front", *COSTS],
        scatter=start,
    )


def _layers(layers: "pd.DataFrame", axes: Sequence[str]) -> Explorer:
    columns = [f"{AXIS}{name}" for name in axes]
    return explorer(
        layers,
        name="layers",
        title="Layers",
        shown=["layer", "point", "network", "machine", *LAYER, *columns],
        picks=["network", "machine", "layer", "mode", *columns],
        kept=["point"],
    )


def _specs(points: "pd.DataFrame") -> list[dict[str, Any]]:
    """The machine's fields at every point, where the rows hold them."""
    if "spec_json" not in points:
        return [{} for _ in range(len(points))]
    return [json.loads(text) for text in points["spec_json"]]


def _span(name: str, values: Sequence[Any]) -> str:
    """One value, or the least and the most; words are listed."""
    there = [v for v in dict.fromkeys(values) if v is not None and v == v]
    if not there:
        return "–"
    if any(isinstance(value, str) for value in there):
        return ", ".join(map(str, there))
    ends = dict.fromkeys((cell(name, min(there)), cell(name, max(there))))
    return " to ".join(ends)


def _machines(points: "pd.DataFrame", specs: Sequence[Mapping[str, Any]]) -> Table:
    """What each machine is made of over all its points, to read beside every comparison."""
    rows = []
    for machine, same in points.groupby("machine", sort=False):
        row = {"machine": str(machine), "points": len(same)}
        own = [specs[at] for at in same.index]
        row |= {name: _span(name, same[name].tolist()) for name in MADE_OF if name in same}
        row |= {name: _span(name, [spec.get(name) for spec in own]) for name in SHARED}
        rows.append(row)
    return table(rows, ("machine", "points", *MADE_OF, *SHARED))


def differences(
    points: "pd.DataFrame", specs: Sequence[Mapping[str, Any]], axes: Sequence[str]
) -> list[str]:
    """Which of clock, node, energy family and DRAM differ between machines, in words.

    A field that the sweep varies on purpose is no difference.
    """
    found = []
    for field in SHARED:
        if field in axes:
            continue
        told: dict[str, list[str]] = {}
        for machine, spec in zip(points["machine"], specs, strict=True):
            if field in spec and str(spec[field]) not in told.setdefault(machine, []):
                told[machine].append(str(spec[field]))
        if len({tuple(values) for values in told.values()}) > 1:
            pairs = ", ".join(f"{' and '.join(values)} on {m}" for m, values in told.items())
            found.append(f"{field} differs: {pairs}")
    return found


def _notes(points: "pd.DataFrame") -> list[dict[str, Any]]:
    """Each note once, with how many points have it."""
    counts: dict[str, int] = {}
    for text in points.get("notes", ()):
        for note in str(text).split("; "):
            if note and not note.startswith(CHANGED):
                counts[note] = counts.get(note, 0) + 1
    total = len(points)
    return [
        {"text": note, "runs": ["all points" if n == total else f"{n} of {total} points"]}
        for note, n in counts.items()
    ]


def _plotly() -> Script:
    """The figure's library, whole, so that the page needs no network."""
    from plotly.offline import get_plotlyjs

    return script(get_plotlyjs())


def sweep_page(
    layers: "pd.DataFrame",
    points: "pd.DataFrame",
    *,
    axes: Sequence[str],
    title: str,
    baseline: str | None = None,
    facts: Mapping[str, str] | None = None,
) -> str:
    """The whole page as text.

    Parameters
    ----------
    layers : rows of :func:`reports.table.layer_frame` with ``point`` and one column per axis
    points : rows of :func:`reports.table.totals_frame` with ``point``, a short unique name, and
        one column ``axis_NAME`` per axis: an integer, a float, words, or NaN where the machine
        has no such field; more columns (``top1_accuracy`` …) are shown, too
    axes : the NAMEs
    title : heading of the page
    baseline : what ``speedup`` and ``energy_efficiency`` refer to, as
        :func:`reports.sweep_ratios.base_rows` reads it; without it there are no ratios
    facts : what was run, in words

    Raises
    ------
    ReportError
        If a column is missing, there is no point, or the baseline cannot be.
    """
    layers, points = _checked(layers, points, axes)
    specs = _specs(points)
    if baseline is not None:
        points = with_ratios(points, baseline, axes)
    points = points.assign(front=on_front(points).map({True: "yes", False: "no"}))
    told = [{"text": text, "runs": ["all points"]} for text in differences(points, specs, axes)]
    synthetic = "origin" in layers and bool((layers["origin"] == "synthetic").any())
    return rendered(
        "sweep.html",
        scripts=[our_script(*SCRIPTS), _plotly(), our_script("scatter.js")],
        title=title,
        synthetic=synthetic,
        cards=_cards(points, axes),
        more_networks=max(0, points["network"].nunique() - MOST_CARDS),
        facts=_facts(points, axes, facts),
        baseline=baseline,
        figures=axis_figures(points, axes),
        points=_points(points, axes),
        layers=_layers(layers, axes),
        machines=_machines(points, specs),
        notes=told + _notes(points),
    )


def sweep_svgs(points: "pd.DataFrame", axes: Sequence[str]) -> dict[str, str]:
    """Every small figure of the page as a separate file: name and content."""
    return {figure.name: str(figure.svg) for figure in axis_figures(points, axes)}
