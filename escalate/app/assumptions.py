"""assumptions: what each assumed number of a machine costs, changed one at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin

from arch.errors import SpecError
from arch.simulate import NetworkRun
from arch.spec import MachineSpec, override
from escalate.app.feed import Feed
from escalate.app.fleet import Watch
from escalate.app.machines import Choice
from escalate.app.results import NewFolder
from escalate.app.simulate import Simulation, try_choices
from escalate.app.sources import Source
from escalate.app.threads import threads
from reports.assumptions import ASSUMED

Row = dict[str, int | float | str]
CSV, FIGURE = "assumptions.csv", "assumptions.svg"
WHERE = "assumptions"
FACTORS = (0.5, 2)  # what a number is multiplied by


@dataclass(frozen=True, slots=True)
class Assumptions:
    """One row per changed value; ratios are to the unchanged machine, below 1 is less.

    ``refused`` holds the values with which the machine cannot run the network, and why.
    """

    base: NetworkRun
    rows: tuple[Row, ...]
    refused: tuple[Row, ...]


def alternatives(spec: MachineSpec) -> list[tuple[str, Any]]:
    """Every assumed field with other values: half and twice a number, all other words of a choice.

    A supply voltage is left alone: it belongs to the node.

    Examples
    --------
    >>> from arch.basis_first.spec import BasisFirstSpec
    >>> found = alternatives(BasisFirstSpec())
    >>> [value for field, value in found if field in ("lookaside", "packing")]
    [0, 2, 'ideal', 'none']
    """
    found: list[tuple[str, Any]] = []
    for name, info in type(spec).model_fields.items():
        if ASSUMED not in (info.description or ""):
            continue
        value = getattr(spec, name)
        if get_origin(info.annotation) is not None and isinstance(value, str):
            words = [word for word in get_args(info.annotation) if isinstance(word, str)]
            found += [(name, word) for word in words if word != value]
        elif isinstance(value, int):
            numbers = dict.fromkeys(int(value * factor) for factor in FACTORS)
            found += [(name, number) for number in numbers if number != value]
    return found


def _changed(choice: Choice) -> tuple[list[tuple[str, Any, Choice]], list[Row]]:
    """A choice per value that the machine's fields allow, and the values they do not."""
    made, refused = [], []
    for name, value in alternatives(choice.spec):
        try:
            spec = override(choice.spec, {name: value}, where=WHERE)
        except SpecError as error:
            reason = str(error).removeprefix(f"{WHERE}: ").removeprefix(f"{name} = {value!r}: ")
            refused.append(_row(choice, name, value) | {"reason": reason})
            continue
        made.append((name, value, replace(choice, spec=spec)))
    return made, refused


def _row(choice: Choice, name: str, value: Any) -> Row:
    return {"field": name, "default": getattr(choice.spec, name), "value": value}


def _ratios(run: NetworkRun, base: NetworkRun) -> Row:
    area, base_area = run.resources.area_mm2, base.resources.area_mm2
    return {
        "cycles": run.cycles,
        "latency_ratio": run.latency_s / base.latency_s,
        "energy_ratio": run.energy_aj / base.energy_aj,
        "dram_ratio": run.dram_bytes / base.dram_bytes,
        "area_ratio": area / base_area,
    }


def assumptions(
    source: Source,
    choice: Choice,
    feed: Feed | None = None,
    watch: Watch | None = None,
    *,
    threads_used: int | None = None,
) -> Assumptions:
    """Simulate a source once as it is and once per changed value of every assumed field.

    Parameters
    ----------
    source, feed, watch : as for ``run_choices``
    choice : the machine that is changed
    threads_used : of the kernels

    Raises
    ------
    OperandError, SpecError
        If the unchanged machine cannot run the source.
    """
    made, refused = _changed(choice)
    with threads(threads_used):
        base, *found = try_choices(source, [choice, *(each for *_, each in made)], feed, watch)
    if not isinstance(base, Simulation):
        raise base
    rows = []
    for (name, value, _), outcome in zip(made, found, strict=True):
        row = _row(choice, name, value)
        if isinstance(outcome, Simulation):
            rows.append(row | _ratios(outcome.run, base.run))
        else:
            refused.append(row | {"reason": str(outcome)})
    return Assumptions(base.run, tuple(rows), tuple(refused))


def by_weight(rows: Sequence[Row]) -> list[Row]:
    """Rows whose field moves latency most come first; values of one field stay together."""

    def weight(name: object) -> float:
        return max(abs(float(r["latency_ratio"]) - 1) for r in rows if r["field"] == name)

    order = sorted(dict.fromkeys(row["field"] for row in rows), key=weight, reverse=True)
    return sorted(rows, key=lambda row: order.index(row["field"]))


def check_target(target: Path) -> None:
    """Refuse a folder that is not ours, or cannot be written, before any work is done."""
    NewFolder(target, (CSV, FIGURE))


def write_assumptions(found: Assumptions, target: Path) -> None:
    """The rows as CSV and as a figure; an earlier folder of ours is replaced.

    Raises
    ------
    ResultsError
        If ``target`` holds something that we did not write.
    """
    import pandas as pd

    from reports.plot import deviations

    rows = by_weight(found.rows)
    with NewFolder(target, (CSV, FIGURE)) as folder:
        frame = pd.DataFrame([*rows, *found.refused])
        frame.to_csv(folder / CSV, index=False)
        bars = pd.DataFrame(rows)
        labels = [f"{row['field']} = {row['value']}" for row in rows]
        figure = deviations(
            pd.Series(bars["latency_ratio"].to_numpy(), index=labels),
            name="assumptions",
            axis=f"latency, as a multiple of the default machine's, {found.base.network}",
            description=f"Latency of {found.base.network} for each changed field, sorted",
        )
        (folder / FIGURE).write_text(figure, "utf-8")
