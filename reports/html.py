"""Runs as one self-contained HTML page: no network access, readable in light, dark and print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from arch.energy import AJ_PER_J
from arch.simulate import NetworkRun
from reports import figures, plot
from reports.errors import ReportError
from reports.explorer import SCRIPTS, Explorer, explorer
from reports.pages import Panel, Table, our_script, panel, rendered, table
from reports.quality import shown as shown_quality
from reports.quality import with_intervals
from reports.quantity import heading, quantity, si
from reports.ratios import RATIOS, baselines, compare_rows, differences, mean_rows, ratios
from reports.table import (
    identity,
    labels,
    layer_frame,
    notes,
    resources_row,
    run_notes,
    totals,
)

if TYPE_CHECKING:
    import pandas as pd

MOST_CARDS = 6
OPEN_FIGURES = 4  # per-layer figures shown unfolded; the others wait behind their headings
MEANS = ("networks", *RATIOS)
SUMMARY = (
    "cycles",
    "latency_s",
    "energy_j",
    "dram_bytes",
    "peak_bandwidth_bytes_per_s",
    "effectual_ops",
    "effective_tops_per_w",
    "edp_j_s",
)
MACHINE = ("machine", "preset", "clock_hz", "multipliers", "adders", "sram_bytes", "area_mm2")
LAYER = (
    "mode",
    "cycles",
    "memory_stall_fraction",
    "energy_j",
    "dram_bytes",
    "peak_bandwidth_bytes_per_s",
    "macs",
    "effectual_ops",
    "multiplier_utilization",
)
PICKS = ("run", "network", "machine", "layer", "mode", "origin")
ROOFLINE = (
    "Each point is a layer. The solid line is the DRAM bandwidth. The dashed line is one MAC per "
    "multiplier and cycle. A machine that skips zeros or multiplies decomposed kernels may be "
    "above it, because dense MACs are counted."
)


def _summary(
    runs: Sequence[NetworkRun], extra: Sequence[Mapping[str, Any]] | None, baseline: str | None
) -> Table:
    if extra is not None and len(extra) != len(runs):
        raise ReportError(f"summary holds {len(extra)} rows, wanted one per run ({len(runs)})")
    bases = baselines(runs, baseline) if baseline is not None else None
    rows = []
    for i, (label, run) in enumerate(zip(labels(runs), runs, strict=True)):
        own = dict(extra[i]) if extra is not None else {}
        against = ratios(run, bases[i]) if bases is not None else {}
        rows.append(with_intervals({"run": label, **own, **totals(run), **against}))
    own_names = dict.fromkeys(name for row in extra or () for name in row)
    names = ["run", *own_names, *shown_quality(rows), *RATIOS, *SUMMARY]
    return table(rows, list(dict.fromkeys(names)))


def _means(runs: Sequence[NetworkRun], baseline: str | None) -> Table | None:
    """Geometric means of the ratios, where several networks were run."""
    if baseline is None or len({run.network for run in runs}) < 2:
        return None
    return table(mean_rows(compare_rows(runs, baseline)), ["machine", "preset", *MEANS])


def machine_table(runs: Sequence[NetworkRun]) -> Table:
    """The parts of each machine, shown once, to read beside every ratio."""
    first = {(run.machine, run.preset): run for run in reversed(runs)}
    some = [run for run in runs if run is first[run.machine, run.preset]]
    rows = [
        {**identity(run), **resources_row(run.resources), "clock_hz": run.spec.clock_hz}
        for run in some
    ]
    return table(rows, MACHINE)


def _named_layers(runs: Sequence[NetworkRun]) -> "pd.DataFrame":
    """All layers, with the label of their run."""
    frame = layer_frame(runs)
    names = [label for label, run in zip(labels(runs), runs, strict=True) for _ in run.results]
    return frame.assign(run=names)


def _layers(runs: Sequence[NetworkRun]) -> Explorer:
    shown = ("layer", *(("run",) if len(runs) > 1 else ()), *LAYER)
    return explorer(
        _named_layers(runs), name="layers", title="All layers", shown=shown, picks=PICKS
    )


def _layer_panels(runs: Sequence[NetworkRun]) -> list[Panel]:
    causes = list(figures.total_causes_frame(runs).columns)
    return [
        panel(
            label,
            f"layers{i}",
            partial(
                plot.stacked_bars,
                figures.causes_frame(run),
                axis="cycles",
                description=f"{label}: cycles of each layer by cause",
                names=causes,
            ),
            unfolded=i < OPEN_FIGURES,
        )
        for i, (label, run) in enumerate(zip(labels(runs), runs, strict=True))
    ]


def _total_panels(runs: Sequence[NetworkRun]) -> list[Panel]:
    bars = (
        ("cycles", figures.total_causes_frame(runs), "", "cycles", "Cycles by cause"),
        ("energy", figures.energy_frame(runs), "J", "energy", "Energy by component"),
        ("traffic", figures.traffic_frame(runs), "B", "DRAM bytes", "DRAM traffic by tensor"),
        ("area", figures.area_frame(runs), "mm²", "area", "Area by component"),
    )
    panels = [
        panel(
            title,
            name,
            partial(plot.stacked_bars, frame, axis=axis, description=title, unit=unit),
        )
        for name, frame, unit, axis, title in bars
        if len(frame.columns)
    ]
    points = figures.roofline_frame(runs)
    if len(points):
        draw = partial(
            plot.roofline,
            points,
            figures.roofs_frame(runs),
            description="Dense MACs per second of each layer against dense MACs per DRAM byte",
        )
        panels.append(panel("Roofline", "roofline", draw, caption=ROOFLINE))
    return panels


@dataclass(frozen=True, slots=True)
class Drawn:
    """All figures of some runs: of the whole network, and of the layers of each run."""

    whole: list[Panel]
    layers: list[Panel]

    @property
    def files(self) -> dict[str, str]:
        """Every figure as a separate file: name and content."""
        return {panel.name: str(panel.wide) for panel in (*self.whole, *self.layers)}


def drawn(runs: Sequence[NetworkRun]) -> Drawn:
    """Draw the figures, which takes most of the time of a page."""
    return Drawn(_total_panels(runs), _layer_panels(runs))


def svgs(runs: Sequence[NetworkRun]) -> dict[str, str]:
    """Every figure of the page as a separate file: name and content."""
    return drawn(runs).files


def assumptions(runs: Sequence[NetworkRun]) -> list[dict[str, Any]]:
    """Every field of every machine's spec: value, meaning, and the default if it differs."""
    sections = []
    for label, run in zip(labels(runs), runs, strict=True):
        fields = []
        for name, value in run.spec.model_dump(mode="json").items():
            info = type(run.spec).model_fields[name]
            changed = not info.is_required() and getattr(run.spec, name) != info.default
            fields.append(
                {
                    "name": name,
                    "value": str(value),
                    "meaning": info.description or "",
                    "default": str(info.default) if changed else None,
                }
            )
        sections.append(
            {"label": label, "preset": run.preset, "fields": fields, "prices": _prices(run)}
        )
    return sections


def _prices(run: NetworkRun) -> list[dict[str, str]]:
    """What one action of each component costs, and who says so."""
    priced = {(line.component, line.action): line.price for bill in run.charges for line in bill}
    return [
        {
            "component": component,
            "action": action,
            "energy": si(price.attojoules / AJ_PER_J, "J"),
            "source": price.source,
        }
        for (component, action), price in sorted(priced.items())
    ]


def _headlines(runs: Sequence[NetworkRun], baseline: str | None) -> list[dict[str, Any]]:
    """Speedup and energy efficiency in large print, for every run but the baseline.

    Of several networks the geometric means are told.
    """
    if baseline is None:
        return []
    bases = baselines(runs, baseline)
    if len({run.network for run in runs}) > 1:
        named = {(run.machine, run.preset) for run in bases}
        told = [
            (f"{row['machine']} · {row['preset']}", row)
            for row in mean_rows(compare_rows(runs, baseline))
            if (row["machine"], row["preset"]) not in named
        ]
    else:
        told = [
            (label, ratios(run, base))
            for label, run, base in zip(labels(runs), runs, bases, strict=True)
            if run is not base
        ]
    cards = []
    for label, row in told:
        items = [
            {"name": heading(name), "text": quantity(name, row[name]).text}
            for name in RATIOS
            if name in row
        ]
        cards.append({"label": label, "items": items})
    return cards[:MOST_CARDS]


def _baseline_label(runs: Sequence[NetworkRun], baseline: str | None) -> str | None:
    """What the page calls the baseline: its label, or its machine where networks differ."""
    if baseline is None:
        return None
    base = baselines(runs, baseline)[0]
    if len({run.network for run in runs}) > 1:
        return f"{base.machine} · {base.preset} on the same network"
    return labels(runs)[next(i for i, run in enumerate(runs) if run is base)]


def _notes(runs: Sequence[NetworkRun]) -> list[dict[str, Any]]:
    """Each note once, with how many layers of which runs it concerns."""
    one_network = [run for run in runs if run.network == runs[0].network]
    listed: dict[str, dict[str, Any]] = {
        text: {"text": text, "runs": ["all"]} for text in differences(one_network)
    }
    for label, run in zip(labels(runs), runs, strict=True):
        for note in run_notes(run):
            entry = listed.setdefault(note, {"text": note, "runs": []})
            count = sum(note in notes(result.provenance) for result in run.results)
            entry["runs"].append(
                f"{label} ({count} of {len(run.results)} layers)" if count else label
            )
    return list(listed.values())


def _origins(runs: Sequence[NetworkRun]) -> list[str]:
    return sorted({str(r.provenance.get("origin", "")) for run in runs for r in run.results} - {""})


def page(
    runs: Sequence[NetworkRun],
    *,
    title: str,
    summary: Sequence[Mapping[str, Any]] | None = None,
    baseline: str | None = None,
    facts: Mapping[str, str] | None = None,
    drawing: Drawn | None = None,
) -> str:
    """The whole page as text.

    Parameters
    ----------
    runs : at least one; the first table has one row for each
    title : heading of the page
    summary : one mapping per run with more columns for the first table, for example
        ``model``, ``top1_accuracy`` (0 to 1) or ``compression_ratio``; the end of a name sets
        the unit
    baseline : the run that ``speedup`` and ``energy_efficiency`` refer to, as
        :func:`reports.ratios.find_baseline` reads it within each network; without it there are
        no ratios
    facts : what was run, in words: network, source, images, versions …
    drawing : the figures, where :func:`drawn` made them before

    Raises
    ------
    ReportError
        If there is no run, the summary has another length, or the baseline names no single run.
    """
    if not runs:
        raise ReportError("a page needs at least one run")
    pictures = drawing or drawn(runs)
    return rendered(
        "page.html",
        scripts=[our_script(*SCRIPTS)],
        title=title,
        facts=dict(facts or {}),
        synthetic="synthetic" in _origins(runs),
        summary=_summary(runs, summary, baseline),
        machines=machine_table(runs),
        means=_means(runs, baseline),
        baseline=_baseline_label(runs, baseline),
        headlines=_headlines(runs, baseline),
        panels={"whole": pictures.whole, "layers": pictures.layers},
        layers=_layers(runs),
        assumptions=assumptions(runs),
        notes=_notes(runs),
    )
