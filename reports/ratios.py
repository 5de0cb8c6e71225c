"""Ratios of runs to their baseline, network by network, and geometric means over networks."""

import math
from collections.abc import Iterable, Sequence

from arch.simulate import NetworkRun
from reports.errors import ReportError
from reports.quality import unlike
from reports.table import Row, identity, labels, ratio, totals

RATIOS = ("speedup", "energy_efficiency", "speedup_per_mm2")
SHARED = (
    "clock_hz",
    "node_nm",
    "supply_v",
    "energy",
    "dram",
    "dram_bandwidth_bytes_per_s",
    "dram_latency_ns",
)  # equal in a fair comparison
MEAN_DIGITS = 12  # decimals; the last bits of a logarithm depend on the processor


def find_baseline(runs: Sequence[NetworkRun], baseline: str) -> int:
    """Position of the run that ``baseline`` names: a machine, ``machine:preset`` or a label.

    Raises
    ------
    ReportError
        If no run or more than one answers to that name.
    """
    names = labels(runs)
    hits = [
        i
        for i, run in enumerate(runs)
        if baseline in (run.machine, f"{run.machine}:{run.preset}", names[i])
    ]
    if len(hits) != 1:
        found = "no run" if not hits else f"{len(hits)} runs"
        raise ReportError(f"baseline {baseline!r} names {found}, there are {', '.join(names)}")
    return hits[0]


def ratios(run: NetworkRun, base: NetworkRun) -> Row:
    """``speedup`` and ``energy_efficiency`` of ``run`` relative to ``base``; above 1 is better.

    A ratio to nothing, or of nothing, such as the latency of a layer of zeros, is NaN.

    Raises
    ------
    ReportError
        If the two did not do the same work (dense MACs of the original layers).
    """
    if run.macs != base.macs:
        raise ReportError(
            f"{run.network} on {run.machine} stands for {run.macs} MACs, "
            f"{base.network} on {base.machine} for {base.macs}: ratios need the same work"
        )
    row: Row = {
        "speedup": ratio(base.latency_s, run.latency_s) or math.nan,
        "energy_efficiency": ratio(base.energy_aj, run.energy_aj) or math.nan,
    }
    own, other = run.resources.area_mm2, base.resources.area_mm2
    if own and other:
        row["speedup_per_mm2"] = float(row["speedup"]) * other / own
    return row


def baselines(runs: Sequence[NetworkRun], baseline: str) -> list[NetworkRun]:
    """For every run, the run of the same network that ``baseline`` names.

    Raises
    ------
    ReportError
        If it names no single run of some network.
    """
    networks: dict[str, list[NetworkRun]] = {}
    for run in runs:
        networks.setdefault(run.network, []).append(run)
    chosen = {name: some[find_baseline(some, baseline)] for name, some in networks.items()}
    return [chosen[run.network] for run in runs]


def compare_rows(runs: Sequence[NetworkRun], baseline: str) -> list[Row]:
    """One row per run: network, machine, preset, totals, and the ratios to the baseline.

    Raises
    ------
    ReportError
        If ``baseline`` names no single run of a network, or its runs did different work.
    """
    bases = baselines(runs, baseline)
    return [
        {**identity(run), **totals(run), **ratios(run, base)}
        for run, base in zip(runs, bases, strict=True)
    ]


def mean_rows(rows: Sequence[Row]) -> list[Row]:
    """Geometric means of the ratios over networks, one row per machine and preset.

    Parameters
    ----------
    rows : of ``compare_rows``; a machine's ratio of which a network lacks a value has no mean

    Examples
    --------
    >>> row = {"machine": "a", "preset": "iso", "speedup": 2.0}
    >>> mean_rows([{**row, "network": "x"}, {**row, "network": "y", "speedup": 8.0}])
    [{'machine': 'a', 'preset': 'iso', 'networks': 2, 'speedup': 4.0}]
    """
    found: list[Row] = []
    for machine, preset in dict.fromkeys((row["machine"], row["preset"]) for row in rows):
        same = [row for row in rows if (row["machine"], row["preset"]) == (machine, preset)]
        mean: Row = {"machine": machine, "preset": preset, "networks": len(same)}
        for name in RATIOS:
            values = [float(row[name]) for row in same if row.get(name) is not None]
            if len(values) == len(same) and all(0 < value < math.inf for value in values):
                mean[name] = round(geometric_mean(values), MEAN_DIGITS)
        found.append(mean)
    return found


def geometric_mean(values: Iterable[float]) -> float:
    """The geometric mean, which is the right mean for ratios.

    Raises
    ------
    ReportError
        If there is no value, or one is not above zero.

    Examples
    --------
    >>> round(geometric_mean([2.0, 8.0]), 12)
    4.0
    """
    listed = list(values)
    if not listed or not all(value > 0 for value in listed):
        raise ReportError(f"geometric mean of {listed}: wanted at least one value, all above 0")
    return math.exp(math.fsum(math.log(value) for value in listed) / len(listed))


def differences(runs: Sequence[NetworkRun]) -> list[str]:
    """Which of clock, node, energy family, DRAM and model differ between machines, in words.

    Multipliers, adders, SRAM and area stand in the table itself.
    """
    found = []
    named = dict(zip(labels(runs), runs, strict=True))  # labels are unique
    for field in SHARED:
        values = {label: str(getattr(run.spec, field)) for label, run in named.items()}
        if len(set(values.values())) > 1:
            told = ", ".join(f"{value} on {label}" for label, value in values.items())
            found.append(f"{field} differs: {told}")
    return found + unlike(named)
