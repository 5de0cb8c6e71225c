"""sweep_ratios: ratios of every point of a sweep to its baseline, network by network."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reports.errors import ReportError
from reports.quantity import AXIS

if TYPE_CHECKING:
    import pandas as pd


def _agrees(points: "pd.DataFrame", base: "pd.Series[float]", names: Sequence[str]) -> np.ndarray:
    """Which points have the base's value on every axis that both of them have."""
    import pandas as pd

    agrees = np.ones(len(points), bool)
    for name in names:
        own = points[name]
        if pd.notna(base[name]):  # otherwise a field that the base's machine lacks
            agrees &= (own == base[name]).to_numpy() | own.isna().to_numpy()
    return agrees


def named_points(points: "pd.DataFrame", baseline: str) -> "pd.Series[bool]":
    """The points that a name selects: a point's own name, a machine, or ``machine:preset``.

    Raises
    ------
    ReportError
        If it means none.
    """
    machine, preset = points["machine"], points["preset"]
    found = (points["point"] == baseline) | (machine == baseline)
    found |= (machine + ":" + preset) == baseline
    if not found.any():
        known = ", ".join(dict.fromkeys(machine))
        raise ReportError(f"baseline {baseline!r} names no point; the machines are {known}")
    return found


def base_rows(points: "pd.DataFrame", baseline: str, axes: Sequence[str]) -> np.ndarray:
    """For every point the position of its baseline, or -1 if it has none.

    Parameters
    ----------
    points : one row per point, with ``point``, ``network``, ``machine``, ``preset`` and the axes
    baseline : as :func:`named_points` reads it; a single point of a network is the baseline of all
        its points, of several each point has the one that agrees with it on all axes
    axes : their names, without ``axis_``

    Raises
    ------
    ReportError
        If no point has that name, or several are the baseline of one point.
    """
    columns = [f"{AXIS}{name}" for name in axes]
    if "source" in points:
        columns.append("source")  # the same network compressed in two ways, say
    named = named_points(points, baseline).to_numpy()
    networks = points["network"].to_numpy()
    found = np.full(len(points), -1)
    for network in dict.fromkeys(networks):
        same = networks == network
        bases = np.flatnonzero(named & same)
        for at in bases:
            mine = same.copy()
            if len(bases) > 1:
                mine &= _agrees(points, points.iloc[at], columns)
            if (found[mine] >= 0).any():
                raise ReportError(
                    f"baseline {baseline!r} names several points of {network} that agree on all "
                    "axes, wanted one; name a single point"
                )
            found[mine] = at
    return found


def with_ratios(points: "pd.DataFrame", baseline: str, axes: Sequence[str]) -> "pd.DataFrame":
    """The points with ``speedup`` and ``energy_efficiency``; above 1 is better.

    A point without a baseline has no ratios (NaN).

    Raises
    ------
    ReportError
        As :func:`base_rows`, or if a point and its baseline did not do the same work.
    """
    bases = base_rows(points, baseline, axes)
    there = bases >= 0
    macs = points["macs"].to_numpy()
    for at in np.flatnonzero(there):
        if macs[at] != macs[bases[at]]:
            pair = points["point"].iloc[[at, bases[at]]].tolist()
            raise ReportError(
                f"{pair[0]} stands for {macs[at]} MACs, its baseline {pair[1]} for "
                f"{macs[bases[at]]}: ratios need the same work"
            )
    columns = {}
    for name, cost in (("speedup", "latency_s"), ("energy_efficiency", "energy_j")):
        costs = points[cost].to_numpy(float)
        against = costs[bases]
        known = there & (costs > 0) & (against > 0)  # a ratio to nothing is none
        columns[name] = np.divide(against, costs, out=np.full(len(costs), np.nan), where=known)
    return points.assign(**columns)
