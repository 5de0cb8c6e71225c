"""front_page: several methods at several sizes as tables and one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arch.simulate import NetworkRun
from reports.errors import ReportError
from reports.explorer import SCRIPTS, Explorer, explorer, meaning
from reports.html import assumptions, machine_table
from reports.pages import Panel, our_script, rendered, table
from reports.quantity import heading

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
BEST = "A row has the costs of its best machine: the requested one with the lowest energy × delay."
MARK = " *"
YES_NO = {True: "yes", False: "no"}
TABLE = (
    "method",
    "asked",
    "budget_bytes",
    "stored_bytes",
    "compression_ratio",
    "accuracy",
    "interval",
    "on_front",
    "payload_bytes",
    "hardware_bytes",
    "ideal_bytes",
    "machine",
    "cycles",
    "latency_s",
    "energy_j",
    "remark",
    "problem",
)  # what people want of the rows; all other columns stand in the CSV
MORE = ("edp_j_s", "dram_bytes", "agreement", "divergence")  # on the page, in place of problems
MODELS = ("model", "method", "options", "images", "version", "torch")
MACHINES = (
    "model",
    "machine",
    "best",
    "fed",
    "cycles",
    "latency_s",
    "energy_j",
    "edp_j_s",
    "dram_bytes",
    "hardware_bytes",
    "problem",
)
PICKS = ("method", "model", "machine", "best")
MEANINGS = {"asked": "ratio", "interval": "accuracy_low"}  # columns that stand for others


def readable(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for people: with ``asked``, ``interval``, and yes or no for true and false.

    Examples
    --------
    >>> row = {"ratio": 10.0, "accuracy_low": 0.9, "accuracy_high": 0.95, "on_front": True}
    >>> (found,) = readable([row])
    >>> found["asked"], found["interval"], found["on_front"]
    ('10×', '90.0 to 95.0', 'yes')
    """
    found = []
    for row in rows:
        low, high = row["accuracy_low"], row["accuracy_high"]
        more = {
            "asked": None if row["ratio"] is None else f"{row['ratio']:g}×{_star(row)}",
            "interval": None if low is None else f"{100 * low:.1f} to {100 * high:.1f}",
            "on_front": YES_NO.get(row["on_front"]),
        }
        found.append({**row, **more})
    return found


def _star(row: Row) -> str:
    """A mark where there is a remark."""
    return "" if row.get("remark") is None else MARK


def remarks(rows: Sequence[Row]) -> list[str]:
    """The remarks of the readable rows, each once, with its row in front.

    Examples
    --------
    >>> remarks([{"method": "wpc", "asked": "10× *", "remark": "20.2× instead of 10×: …"}])
    ['wpc 10× *: 20.2× instead of 10×: …']
    """
    return [
        f"{' '.join(filter(None, (row['method'], row['asked'])))}: {row['remark']}"
        for row in rows
        if row.get("remark") is not None
    ]


def problems(rows: Sequence[Row]) -> list[str]:
    """For readable rows without a model or a run: the reason.

    Examples
    --------
    >>> problems([{"method": "prune", "asked": "900×", "problem": "too small"}])
    ['prune 900×: too small']
    """
    return [
        f"{' '.join(filter(None, (row['method'], row['asked'])))}: {row['problem']}"
        for row in rows
        if row["problem"] is not None
    ]


def _used(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    return [name for name in names if any(row.get(name) is not None for row in rows)]


def _columns(names: Sequence[str]) -> dict[str, str]:
    """How each column is counted, by heading."""
    told = {heading(name): meaning(MEANINGS.get(name, name)) for name in names}
    return told | {heading("interval"): "95 % interval of accuracy in percent, by Wilson's formula"}


def _machine_rows(frame: "pd.DataFrame") -> Explorer:
    return explorer(
        frame.assign(best=frame["best"].map(YES_NO)),
        name="machines",
        title="All models on all machines",
        shown=MACHINES,
        picks=PICKS,
        kept=MACHINES[:-1],
    )


def _notes(notes: Sequence[str], frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Each note once, with the models whose runs have it."""
    found = [{"text": note, "runs": ["the comparison"]} for note in notes]
    if not len(frame):
        return found
    listed: dict[str, list[str]] = {}
    for model, texts in zip(frame["model"], frame["notes"].fillna(""), strict=True):
        for note in filter(None, texts.split("; ")):
            if model not in listed.setdefault(note, []):
                listed[note].append(model)
    many = frame["model"].nunique()
    for note, models in listed.items():
        found.append({"text": note, "runs": ["all models"] if len(models) == many else models})
    return found


def front_page(
    rows: Sequence[Row],
    machines: "pd.DataFrame",
    *,
    title: str,
    facts: Mapping[str, str],
    panels: Sequence[Panel],
    models: Sequence[Row],
    runs: Sequence[NetworkRun],
    notes: Sequence[str],
) -> str:
    """The whole page as text.

    Parameters
    ----------
    rows : one per method and size, columns as ``reports.columns.FRONT`` has them
    machines : one row per model and machine, with ``model``, ``best``, ``notes`` and all totals
    title : heading of the page
    facts : what was compared, in words
    panels : the figures, see ``reports.front_figures``
    models : how each model was made
    runs : one of every machine, for its numbers and prices
    notes : what there is to say about the comparison

    Raises
    ------
    ReportError
        If there is no row.
    """
    if not rows:
        raise ReportError("a page of methods needs at least one row")
    shown = readable(rows)
    notes = [*remarks(shown), *notes]
    names = _used(shown, (*TABLE[:-1], *MORE))
    ran = len(machines) > 0
    return rendered(
        "front.html",
        scripts=[our_script(*SCRIPTS), our_script("sort.js")],
        title=title,
        facts=dict(facts),
        best=BEST,
        rows=table(shown, names),
        problems=problems(shown),
        columns=_columns(names),
        panels=list(panels),
        runs=_machine_rows(machines) if ran else None,
        machines=machine_table(runs) if runs else None,
        models=table(models, MODELS),
        notes=_notes(notes, machines),
        assumptions=assumptions(runs),
    )
