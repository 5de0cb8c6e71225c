"""Published numbers and ours on one page: every row with band and verdict, a figure per machine."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from reports import plot
from reports.errors import ReportError
from reports.pages import Panel, our_script, panel, rendered, table

COLUMNS = ("machine", "quantity", "case", "published", "ours", "ratio", "band", "verdict")
VERDICTS = ("inside", "outside", "lower_bound", "reported")  # columns
MORE = ("reason", "source")
CAPTION = (
    "Each dot is one published number; its position is ours divided by it. Numbers without an "
    "accepted band are only reported. If our model leaves out something that was never described, "
    "ours is a lower bound and confirms no more than that."
)


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many numbers of each machine have each verdict.

    Parameters
    ----------
    rows : with machine and verdict

    Examples
    --------
    >>> summary([{"machine": "a", "verdict": "inside"}, {"machine": "a", "verdict": "outside"}])
    [{'machine': 'a', 'compared': 2, 'inside': 1, 'outside': 1, 'lower_bound': 0, 'reported': 0}]
    """
    found = []
    for machine in dict.fromkeys(row["machine"] for row in rows):
        verdicts = [row["verdict"] for row in rows if row["machine"] == machine]
        counts = {name: verdicts.count(name.replace("_", " ")) for name in VERDICTS}
        found.append({"machine": machine, "compared": len(verdicts), **counts})
    return found


def shown(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows for people: whole numbers without a decimal point.

    Examples
    --------
    >>> shown([{"published": 2.0, "ours": 2.5}])
    [{'published': 2, 'ours': 2.5}]
    """
    return [{name: _whole(value) for name, value in row.items()} for row in rows]


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def collapsed(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows, with one line for all cases of a quantity that equal the published ones.

    Examples
    --------
    >>> row = {"machine": "a", "quantity": "q", "source": "s", "published": 3.0, "ours": 3.0}
    >>> [found["case"] for found in collapsed([{**row, "case": "x"}, {**row, "case": "y"}])]
    ['2 cases, all equal']
    """
    kinds: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        kinds.setdefault((row["machine"], row["quantity"], row["source"]), []).append(row)
    found: list[dict[str, Any]] = []
    for same in kinds.values():
        if len(same) > 1 and all(row["published"] == row["ours"] for row in same):
            line = {**same[0], "case": f"{len(same)} cases, all equal"}
            found.append({**line, "published": None, "ours": None})
        else:
            found += shown(same)
    return found


def validation_page(rows: Sequence[Mapping[str, Any]], facts: Mapping[str, str]) -> str:
    """The page as text.

    Parameters
    ----------
    rows : machine, quantity, case, published, ours, ratio, band, verdict, source, reason
    facts : what was compared, in words

    Raises
    ------
    ReportError
        If there is no row.
    """
    if not rows:
        raise ReportError("a validation page needs at least one row")
    whole = shown(rows)
    outside = [row for row in whole if row["verdict"] == "outside"]
    return rendered(
        "validation.html",
        scripts=[our_script("sort.js")],
        title="Validation against what others measured",
        facts=dict(facts),
        summary=table(summary(rows), ("machine", "compared", *VERDICTS)),
        outside=table(outside, (*COLUMNS[:-1], "reason")),
        panels=figures(rows),
        caption=CAPTION,
        rows=table(whole, (*COLUMNS, *MORE)),
    )


def figures(rows: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """One figure per machine; numbers without a positive ratio are left out."""
    import pandas as pd

    panels = []
    for machine in dict.fromkeys(row["machine"] for row in rows):
        points = pd.DataFrame(
            [
                {
                    "series": row["quantity"],
                    "ratio": row["ratio"],
                    "verdict": row["verdict"],
                    "tip": f"{row['case']}: published {row['published']:g}, ours {row['ours']:g}",
                }
                for row in rows
                if row["machine"] == machine and row["ratio"] > 0
            ]
        )
        if len(points):
            draw = partial(
                plot.ratio_dots,
                points,
                axis="ours / published",
                description=f"{machine}: ours over the published number",
            )
            panels.append(panel(machine, f"validation-{machine}", draw))
    return panels
