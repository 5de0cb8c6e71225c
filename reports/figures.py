"""Make the frames from which figures of runs are drawn; all sums and shares are computed here."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from arch.area import NM2_PER_MM2
from arch.counters import LayerResult
from arch.energy import AJ_PER_J
from arch.simulate import NetworkRun
from reports.quantity import heading
from reports.table import energy_by_component_aj, labels, snake

if TYPE_CHECKING:
    import pandas as pd

MOST_PARTS = 8  # colours that stay apart; what is smaller than the largest ones is put together
OTHER = "other"
CAUSES: Mapping[str, str] = {  # what a unit waits for, in the words of a legend
    "mac": "MAC-bound",
    "ca": "CA-bound",
    "broadcast": "waits for broadcast",
    "slowest": "waits for slowest",
    "dram": "waits for DRAM",
    "fill_drain": "fill and drain",
    "idle_mapping": "idle by mapping",
}


def folded(parts: Sequence[Mapping[str, int]], most: int = MOST_PARTS) -> list[dict[str, int]]:
    """Keep the ``most`` - 1 largest keys of all tables, and add up the others as ``other``.

    Keys stay in order of first appearance; every table keeps its sum.

    Examples
    --------
    >>> folded([{"a": 5, "b": 1, "c": 2}, {"a": 1, "c": 9}], most=2)
    [{'c': 2, 'other': 6}, {'c': 9, 'other': 1}]
    """
    total: dict[str, int] = {}
    for table in parts:
        for key, count in table.items():
            total[key] = total.get(key, 0) + count
    if len(total) <= most:
        return [dict(table) for table in parts]
    largest = sorted(total, key=lambda key: -total[key])[: most - 1]
    kept = [key for key in total if key in largest]
    rows = [{key: table.get(key, 0) for key in kept} for table in parts]
    rests = [sum(t.values()) - sum(r.values()) for t, r in zip(parts, rows, strict=True)]
    return [row | {OTHER: rest} for row, rest in zip(rows, rests, strict=True)]


def _frame(rows: Sequence[Mapping[str, float]], index: Sequence[str]) -> "pd.DataFrame":
    """Rows side by side, absent pieces 0, columns that are 0 throughout left out."""
    import pandas as pd

    frame = pd.DataFrame(list(rows), index=list(index), dtype=float).fillna(0.0)
    return frame.loc[:, (frame != 0).any()]


def _causes(results: Sequence[LayerResult]) -> dict[str, float]:
    """Cycles by cause: each layer's unit-cycles over its units."""
    row: dict[str, float] = {}
    for result in results:
        for cause, count in result.counters.causes.items():
            name = CAUSES.get(cause, heading(snake(cause)))
            row[name] = row.get(name, 0.0) + count / result.counters.units
    return row


def causes_frame(run: NetworkRun) -> "pd.DataFrame":
    """Layers x causes, in cycles; a row adds up to the layer's cycles."""
    results = [result for result in run.results if not result.on_host]
    rows = [_causes([result]) for result in results]
    return _frame(rows, [result.layer.name for result in results])


def total_causes_frame(runs: Sequence[NetworkRun]) -> "pd.DataFrame":
    """Runs x causes, in cycles."""
    return _frame([_causes(run.results) for run in runs], labels(runs))


def energy_frame(runs: Sequence[NetworkRun]) -> "pd.DataFrame":
    """Runs x components, in joules; small components are put together."""
    tables = folded([energy_by_component_aj(run) for run in runs])
    rows = [
        {heading(snake(name)): energy / AJ_PER_J for name, energy in table.items()}
        for table in tables
    ]
    return _frame(rows, labels(runs))


def area_frame(runs: Sequence[NetworkRun]) -> "pd.DataFrame":
    """Runs x components, in square millimetres; small components are put together."""
    tables = folded([dict(run.resources.area) for run in runs])
    rows = [
        {heading(snake(name)): nm2 / NM2_PER_MM2 for name, nm2 in table.items()} for table in tables
    ]
    return _frame(rows, labels(runs))


def traffic_frame(runs: Sequence[NetworkRun]) -> "pd.DataFrame":
    """Runs x tensors and directions, in DRAM bytes."""
    tables = []
    for run in runs:
        table: dict[str, int] = {}
        for result in run.results:
            for (level, tensor, way), size in result.counters.traffic.items():
                if level == "dram":
                    key = f"{heading(snake(tensor))} {way}"
                    table[key] = table.get(key, 0) + size
        tables.append(table)
    return _frame(folded(tables), labels(runs))


def roofline_frame(runs: Sequence[NetworkRun]) -> "pd.DataFrame":
    """One row per layer of every run: dense MACs per DRAM byte, and dense MACs per second.

    A layer that touches no DRAM has no place on this figure and is left out, as is the host.
    """
    import pandas as pd

    rows = [
        {
            "run": label,
            "layer": result.layer.name,
            "macs_per_byte": result.counters.macs / result.counters.dram_bytes,
            "macs_per_s": result.counters.macs / result.latency_s,
        }
        for label, run in zip(labels(runs), runs, strict=True)
        for result in run.results
        if result.counters.dram_bytes and not result.on_host
    ]
    return pd.DataFrame(rows, columns=["run", "layer", "macs_per_byte", "macs_per_s"])


def roofs_frame(runs: Sequence[NetworkRun]) -> "pd.DataFrame":
    """For each run: DRAM bytes per second, and multiplications per second if none ever waits."""
    import pandas as pd

    return pd.DataFrame(
        {
            "bytes_per_s": [run.spec.dram_bandwidth_bytes_per_s for run in runs],
            "multiplies_per_s": [run.resources.multipliers * run.spec.clock_hz for run in runs],
        },
        index=labels(runs),
    )
