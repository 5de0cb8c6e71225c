"""rows: what stands in the tables about a model, and about each machine that runs it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from arch.simulate import NetworkRun
from escalate.app.compressed import told_forms
from escalate.app.fleet import Refusal
from escalate.app.fronts.points import Point
from escalate.app.machines import Choice
from escalate.app.results import finite
from escalate.app.scores import interval
from escalate.app.simulate import Simulation
from escalate.compressors.registry import compressor
from escalate.recipe.shortfall import far_below
from escalate.store.footprint import compression_ratio, footprint, sizes
from reports.pareto import front
from reports.table import counted, totals
from workloads.integer import IntegerModel

Row = dict[str, Any]
WEIGHTS = ("weight", "coefficient", "basis")  # what machines call what they read of a model
COSTS = ("cycles", "latency_s", "energy_j", "edp_j_s", "dram_bytes", "hardware_bytes")
COLUMNS = (
    "method",
    "ratio",
    "budget_bytes",
    "stored_bytes",
    "compression_ratio",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "scored_images",
    "agreement",
    "divergence",
    "accuracy_original",
    "payload_bytes",
    "ideal_bytes",
    "machine",
    "preset",
    *COSTS,
    "on_front",
    "remark",
    "problem",
)


def full_row(point: Point, budget: int | None, found: Mapping[str, Any]) -> Row:
    """A row of the table of models, None for what there is not."""
    row = {"method": point.method, "ratio": point.ratio, "budget_bytes": budget, **found}
    row["remark"] = "; ".join(_remarks(point, found)) or None
    return {name: row.get(name) for name in COLUMNS}


def _remarks(point: Point, found: Mapping[str, Any]) -> list[str]:
    """What a reader of a row would not expect."""
    told: list[str] = []
    reached = found.get("compression_ratio")
    if reached is not None and far_below(point.ratio, reached):
        why = compressor(point.method).why_below(point.options, found["chosen"])
        told.append(f"{reached:.1f}× instead of {point.ratio:g}×: {why}")
    forms = found.get("forms")
    if forms is not None and compressor(point.method).basis and not forms.get("decomposed"):
        told.append(told_forms(forms))
    return told


def model_row(model: IntegerModel, stored_bytes: int) -> Row:
    """Accuracy and size of a model, as far as no machine is needed."""
    about: Any = model.provenance
    told = about["accuracy"]
    accuracy, images = told["compressed"], told["images"]
    low, high = (None, None) if accuracy is None else interval(accuracy, images)
    counts = sizes(model)
    return {
        "stored_bytes": stored_bytes,
        "compression_ratio": compression_ratio(about["original_parameters"], stored_bytes),
        "accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "scored_images": images,
        "agreement": told["agreement_compressed"],
        "accuracy_original": told["original"],
        "payload_bytes": counts.payload,
        "ideal_bytes": counts.ideal,
        "chosen": about["options"],
        "forms": Counter(each.form for each in footprint(model)),
    }


def machine_rows(
    point: Point, choices: Sequence[Choice], outcomes: Sequence[Simulation | Refusal]
) -> list[Row]:
    """One row for each machine: everything of its run, or why it refuses the model.

    The machine of the lowest energy-delay product is marked as ``best``; of equals the first.
    """
    rows: list[Row] = []
    for choice, outcome in zip(choices, outcomes, strict=True):
        about = {"model": point.name, "method": point.method, "ratio": point.ratio}
        about |= {"machine": choice.machine.name, "preset": choice.label}
        if isinstance(outcome, Simulation):
            run = outcome.run
            fed = run.provenance["tensors"]
            found = {"fed": fed, **finite(totals(run)), "hardware_bytes": weight_bytes(run)}
            rows.append({**about, **found, "problem": None})
        else:
            rows.append({**about, "problem": str(outcome)})
    there = [row for row in rows if row["problem"] is None]
    best = min(there, key=lambda row: row["edp_j_s"], default=None)
    return [row | {"best": row is best} for row in rows]


def weight_bytes(run: NetworkRun) -> int | None:
    """Bytes of weights, coefficients and bases that a run read from DRAM.

    None for a machine whose model calls them otherwise.
    """
    found = [
        size
        for result in run.results
        for (level, tensor, way), size in result.counters.traffic.items()
        if (level, way) == ("dram", "read") and tensor in WEIGHTS
    ]
    return sum(found) if found else None


def best_costs(rows: Sequence[Row]) -> Row:
    """What a model costs on its best machine, or that none runs it."""
    for row in rows:
        if row["best"]:
            return {name: row[name] for name in ("machine", "preset", *COSTS)}
    told = "; ".join(f"{row['machine']}: {row['problem']}" for row in rows)
    return {"problem": f"no machine runs it: {told}"}


def with_front(rows: Sequence[Row]) -> list[Row]:
    """The rows, each with ``on_front``; None for those that lack a number to compare.

    Without labels agreement stands in for accuracy.

    Examples
    --------
    >>> rows = [{"accuracy": a, "stored_bytes": b, "latency_s": 1.0, "energy_j": 1.0}
    ...         for a, b in ((0.9, 10), (0.8, 20), (0.7, 5))]
    >>> [row["on_front"] for row in with_front(rows)]
    [True, False, True]
    """

    def costs(row: Row) -> list[float]:
        gained = row["agreement"] if row["accuracy"] is None else row["accuracy"]
        given = (gained, row["stored_bytes"], row["latency_s"], row["energy_j"])
        gained, *rest = (np.nan if value is None else float(value) for value in given)
        return [-gained, *rest]

    table = np.array([costs(row) for row in rows])
    known = ~np.isnan(table).any(axis=1)
    marks = front(table)
    return [
        row | {"on_front": bool(mark) if there else None}
        for row, mark, there in zip(rows, marks, known, strict=True)
    ]


def aligned(rows: Sequence[Row]) -> list[Row]:
    """The rows with the same columns; a count that a machine does not have is 0, of a run None."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [
        {n: row.get(n, 0 if counted(n) and row["problem"] is None else None) for n in names}
        for row in rows
    ]
