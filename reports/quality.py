"""Quality: the accuracy of a compressed model, shown beside the numbers of its machine."""

from collections.abc import Mapping, Sequence
from typing import Any

from arch.simulate import NetworkRun

STORED = "quality"  # where a run keeps it
MEASURES = ("accuracy", "agreement")
NUMBERS = (
    *(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")),
    "scored_images",
)
SHOWN = ("accuracy", "accuracy_interval", "agreement", "agreement_interval")


def quality(run: NetworkRun) -> dict[str, Any]:
    """Accuracy and agreement of the model that a run was fed, their 95 % intervals and the number
    of images; empty if the model does not record them.
    """
    stored = run.provenance.get(STORED)
    if not isinstance(stored, Mapping):
        return {}
    return {name: stored[name] for name in NUMBERS if stored.get(name) is not None}


def interval(row: Mapping[str, Any], name: str) -> str | None:
    """The 95 % interval of a measure, in percent, for people.

    Examples
    --------
    >>> interval({"accuracy_low": 0.9, "accuracy_high": 0.953}, "accuracy")
    '90.0 to 95.3'
    """
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return None if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"


def with_intervals(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its intervals as text."""
    return {**row, **{f"{name}_interval": interval(row, name) for name in MEASURES}}


def shown(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The quality columns that at least one row has."""
    return [name for name in SHOWN if any(row.get(name) is not None for row in rows)]


def in_words(row: Mapping[str, Any]) -> str:
    """A model's quality with its 95 % intervals in a few words; empty if it is unknown.

    Examples
    --------
    >>> row = {"accuracy": 0.9, "accuracy_low": 0.85, "accuracy_high": 0.94}
    >>> in_words({**row, "scored_images": 90})
    'accuracy 90.0 % (85.0 to 94.0) of 90 images'
    """
    told = [
        f"{name} {100 * row[name]:.1f} % ({interval(row, name)})"
        for name in MEASURES
        if row.get(name) is not None
    ]
    return f"{', '.join(told)} of {row['scored_images']} images" if told else ""


def unlike(named: Mapping[str, NetworkRun]) -> list[str]:
    """A note if runs of one network were fed models whose quality differs beyond chance.

    Parameters
    ----------
    named : runs by their label
    """
    rows = {label: quality(run) for label, run in named.items()}
    rows = {label: row for label, row in rows.items() if row}
    for name in MEASURES:
        known = {label: row for label, row in rows.items() if row.get(name) is not None}
        if len(known) < len(rows) or not known:
            continue
        worst = min(known, key=lambda label: known[label][name])
        best = max(known, key=lambda label: known[label][name])
        if known[worst][f"{name}_high"] < known[best][f"{name}_low"]:
            told = [
                f"{100 * known[label][name]:.1f} % ({interval(known[label], name)}) on {label}"
                for label in (worst, best)
            ]
            return [f"models of different {name} are compared: {' against '.join(told)}"]
        return []
    return []
