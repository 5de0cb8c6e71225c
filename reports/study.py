"""study: common questions about a frame of points, such as which is faster and by how much.

All take frames as ``escalate.load(results, "points")`` returns them, one row per point, and return
frames.  A ratio is always the baseline's value over the point's: above 1 is better.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.errors import ReportError
from reports.pareto import COSTS
from reports.pareto import front as unbeaten
from reports.quantity import AXIS
from reports.ratios import geometric_mean
from reports.sweep_ratios import with_ratios

if TYPE_CHECKING:
    import pandas as pd

SAME = ("network", "source")  # what two points must share to be compared
RATIOS = ("speedup", "energy_efficiency")
SEED = f"{AXIS}seed"


def axes_of(points: "pd.DataFrame") -> list[str]:
    """The columns for what differs between points."""
    return [name for name in points.columns if name.startswith(AXIS)]


def speedup_table(points: "pd.DataFrame", baseline: str) -> "pd.DataFrame":
    """Speedup and energy efficiency of every machine relative to one, per network and overall.

    Parameters
    ----------
    points : one per network and machine, or several with other axes
    baseline : a machine, ``machine:preset`` or a point, as
        :func:`reports.sweep_ratios.base_rows` reads it: its point with the same values of the axes
        that both machines have is the base of each, or its only one

    Returns
    -------
    One row per network, machine, preset and other axes, with ``speedup``, ``energy_efficiency``;
    below them, with network ``geometric mean``, one per machine, preset and axes that every
    network has.

    Raises
    ------
    ReportError
        If no point is the baseline, or several are.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"point": ["a", "b"], "network": ["n", "n"], "source": ["n", "n"],
    ...     "machine": ["x", "y"], "preset": ["p", "p"], "latency_s": [2.0, 1.0],
    ...     "energy_j": [1.0, 4.0], "macs": [9, 9]})
    >>> speedup_table(frame, "x")[["machine", "speedup", "energy_efficiency"]].values.tolist()
    [['x', 1.0, 1.0], ['y', 2.0, 0.25], ['x', 1.0, 1.0], ['y', 2.0, 0.25]]
    """
    import pandas as pd

    axes = axes_of(points)
    front = ["network", "source", "machine", "preset", *axes]
    compared = with_ratios(points, baseline, [name.removeprefix(AXIS) for name in axes])
    table = compared[[*front, *RATIOS]]
    by = ["machine", "preset", *axes]
    groups = table.dropna(subset=[*RATIOS]).groupby(by, dropna=False, sort=False)
    means = groups[list(RATIOS)].agg(_geometric_mean).reset_index()
    full = groups["network"].nunique().reset_index(drop=True) == table["network"].nunique()
    means.insert(0, "network", "geometric mean")
    return pd.concat([table, means[full.to_numpy()]], ignore_index=True)


def _geometric_mean(values: "pd.Series") -> float:
    return geometric_mean(values) if (values > 0).all() else math.nan


def pareto_front(
    points: "pd.DataFrame",
    *,
    least: Sequence[str] = COSTS,
    most: Sequence[str] = (),
) -> "pd.DataFrame":
    """The points that no other point beats in every column.

    Parameters
    ----------
    points : any frame
    least : columns of which less is better
    most : columns of which more is better, for example ``accuracy``

    Returns
    -------
    Those rows, by the first column; of equal rows all.  A point that lacks a value is left out.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"latency_s": [1, 2, 3], "energy_j": [3, 1, 2]})
    >>> pareto_front(frame)["latency_s"].tolist()
    [1, 2]
    """
    names = [*least, *most]
    _known(points, names)
    signs = [1.0] * len(least) + [-1.0] * len(most)
    kept = points[unbeaten(points[names].to_numpy(float) * signs)]
    return kept.sort_values(names, ascending=[True] * len(least) + [False] * len(most))


def best_under(
    points: "pd.DataFrame", column: str, *, most: bool = False, **limits: float
) -> "pd.DataFrame":
    """The best point of each network that stays within budgets.

    Parameters
    ----------
    points : any frame of points
    column : what is to be least, or most
    most : whether more is better
    limits : the most that a column may be; ``at_least_COLUMN`` for the least

    Returns
    -------
    One row per network and source that has a point within the budgets.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"network": ["n"] * 3, "source": ["n"] * 3,
    ...     "latency_s": [1.0, 2.0, 3.0], "area_mm2": [9.0, 5.0, 4.0]})
    >>> best_under(frame, "latency_s", area_mm2=5)["latency_s"].tolist()
    [2.0]
    """
    _known(points, [column, *(name.removeprefix("at_least_") for name in limits)])
    kept = points
    for name, limit in limits.items():
        of = name.removeprefix("at_least_")
        kept = kept[kept[of] >= limit] if of != name else kept[kept[of] <= limit]
    ordered = kept.sort_values(column, ascending=not most, kind="stable")
    return ordered.drop_duplicates(list(SAME), ignore_index=True)


def axis_effect(points: "pd.DataFrame", axis: str, column: str = "latency_s") -> "pd.DataFrame":
    """How a column changes along one axis, with everything else equal.

    Parameters
    ----------
    points : of a sweep
    axis : with or without ``axis_``
    column : what is looked at

    Returns
    -------
    Per network, machine, preset and value of the axis (and per source, where no axis tells two
    sources apart): ``ratio``, the geometric mean over
    all settings of the other axes of (value here / value at the axis' first), the ``least`` and
    the ``largest`` of those ratios, and how many ``settings`` there are.

    Raises
    ------
    ReportError
        If there is no such axis or column.
    """
    import pandas as pd

    name = axis if axis.startswith(AXIS) else AXIS + axis
    _known(points, [name, column])
    others = [each for each in axes_of(points) if each != name]
    kept = points.dropna(subset=[name])
    front = ["network", "machine", "preset"]
    if kept.duplicated([*front, *others, name]).any():  # models that no axis tells apart
        front.insert(1, "source")
    rows = []
    for _, group in kept.groupby([*front, *others], dropna=False, sort=False):
        same = (kept[front] == group[front].iloc[0]).all(axis=1)
        first = group.loc[group[name] == kept.loc[same, name].min(), column]
        if len(first) and first.iloc[0]:
            rows.append(group[[*front, name]].assign(ratio=group[column] / first.iloc[0]))
    if not rows:
        raise ReportError(f"{name}: no setting has a point at its first value")
    table = pd.concat(rows, ignore_index=True)
    found = table.groupby([*front, name], sort=False)["ratio"].agg(
        ratio=_geometric_mean, least="min", largest="max", settings="size"
    )
    return found.reset_index().sort_values([*front, name], ignore_index=True)


def seed_spread(
    points: "pd.DataFrame", columns: Sequence[str] = ("latency_s", "energy_j", "dram_bytes")
) -> "pd.DataFrame":
    """How much a column varies over seeds of synthetic tensors, with everything else equal.

    Parameters
    ----------
    points : with an axis ``axis_seed``
    columns : what is looked at

    Returns
    -------
    Per point without its seed: ``seeds``, and for each column ``COLUMN_mean``, ``COLUMN_std``
    (n - 1 in the denominator), ``COLUMN_min`` and ``COLUMN_max``.

    Raises
    ------
    ReportError
        If there is one seed only.
    """
    if SEED not in points.columns:
        raise ReportError("points: all have the same seed; wanted seed = [0, 1, ...] in the sweep")
    _known(points, columns)
    others = [name for name in axes_of(points) if name != SEED]
    by = ["network", "source", "machine", "preset", *others]
    groups = points.groupby(by, dropna=False, sort=False)
    found = groups[list(columns)].agg(["mean", "std", "min", "max"])
    found.columns = ["_".join(pair) for pair in found.columns.to_flat_index()]
    found.insert(0, "seeds", groups.size())
    return found.reset_index()


def _known(points: "pd.DataFrame", names: Sequence[str]) -> None:
    for name in names:
        if name not in points.columns:
            allowed = ", ".join(str(each) for each in points.columns)
            raise ReportError(f"no column {name!r}, there are {allowed}")
