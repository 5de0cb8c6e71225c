"""diff: two results, layer by layer: what changed, and what can have changed it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalate.app.load import load
from escalate.app.results import ResultsError
from reports.quantity import AXIS

if TYPE_CHECKING:
    import pandas as pd

WATCHED = ("cycles", "memory_stall_cycles", "energy_j", "dram_bytes", "multiplies")
NAMED = ("network", "machine", "preset")
QUIET = ("notes", "version")  # parts of a provenance that are told apart, or not at all


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """What differs between two results.

    Parameters
    ----------
    causes : by pair of points, what differs in version, machine and tensors, in words
    layers : a row per layer and pair: ``pair``, ``layer``, for each number ``NAME_a``, ``NAME_b``
        and ``NAME_ratio`` (b over a), ``changed`` and ``why``
    only_a, only_b : points without a partner
    """

    causes: dict[str, tuple[str, ...]]
    layers: "pd.DataFrame"
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


def diff(a: str | Path, b: str | Path) -> Difference:
    """Hold two results folders against each other.

    Points are partners if network, machine, preset and every axis agree; if each folder holds a
    single one, those two are partners whatever they are.

    Parameters
    ----------
    a, b : folders that ``sweep``, ``simulate``, ``compare`` or ``demo`` wrote

    Raises
    ------
    ResultsError
        If a folder holds no results, or no point has a partner.
    """
    import pandas as pd

    left, right = _rows(a), _rows(b)
    pairs = _pairs(left, right)
    if not pairs:
        raise ResultsError(f"{a}, {b}: no point of one has a partner in the other")
    causes, rows = {}, []
    for name, (first, second) in pairs.items():
        mine, theirs = left[left["point"] == first], right[right["point"] == second]
        causes[name] = _causes(mine.iloc[0], theirs.iloc[0], mine, theirs)
        elsewhere = dict.fromkeys(line.partition(":")[0] for line in causes[name])
        rows += _layer_rows(name, mine, theirs, ", ".join(w for w in elsewhere if w != "tensors"))
    matched = {point for pair in pairs.values() for point in pair}
    return Difference(
        causes,
        pd.DataFrame(rows),
        tuple(p for p in left["point"].unique() if p not in matched),
        tuple(p for p in right["point"].unique() if p not in matched),
    )


def _rows(folder: str | Path) -> "pd.DataFrame":
    """The layers of a folder: those of this program, or if there are none those of others."""
    try:
        return load(folder)
    except ResultsError:
        return load(folder, every_version=True)


def _pairs(left: "pd.DataFrame", right: "pd.DataFrame") -> dict[str, tuple[str, str]]:
    """Names of partners."""
    axes = [name for name in left.attrs["axes"] if name in right.attrs["axes"]]
    named = [_named(frame, axes) for frame in (left, right)]
    both = {name: (named[0][name], named[1][name]) for name in named[0] if name in named[1]}
    if not both and all(len(each) == 1 for each in named):
        (name, first), (_, second) = next(iter(named[0].items())), next(iter(named[1].items()))
        return {name: (first, second)}
    return both


def _named(frame: "pd.DataFrame", axes: list[str]) -> dict[str, str]:
    """Points by what they are called; of several with one name none has a partner."""
    first = frame.drop_duplicates("point")
    words = [
        " · ".join(
            [str(row[name]) for name in NAMED]
            + [f"{name.removeprefix(AXIS)} {_told(row[name])}" for name in axes if _has(row[name])]
        )
        for _, row in first.iterrows()
    ]
    return {
        word: point
        for word, point in zip(words, first["point"], strict=True)
        if words.count(word) == 1
    }


def _has(value: Any) -> bool:
    return value is not None and value == value


def _told(value: Any) -> str:
    """A value; whole numbers alike, whether a column holds floats or not."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def _causes(
    a: "pd.Series", b: "pd.Series", mine: "pd.DataFrame", theirs: "pd.DataFrame"
) -> tuple[str, ...]:
    """What differs in version, machine and what tensors were made of."""
    specs = [json.loads(each["spec_json"]) for each in (a, b)]
    stories = [json.loads(each["provenance_json"]) for each in (a, b)]
    found = []
    for name in ("network", "machine", "preset"):
        if a[name] != b[name]:
            found.append(f"{name}: {a[name]} -> {b[name]}")
    versions = [story.get("version") for story in stories]
    if versions[0] != versions[1]:
        found.append(f"version: {versions[0]} -> {versions[1]}")
    found += [f"machine: {line}" for line in _changes(specs[0], specs[1])]
    kept = [{k: v for k, v in story.items() if k not in QUIET} for story in stories]
    found += [f"tensors: {line}" for line in _changes(kept[0], kept[1])]
    digests = [dict(zip(frame["layer"], frame["digest"], strict=True)) for frame in (mine, theirs)]
    other = [name for name in digests[0] if digests[0][name] != digests[1].get(name)]
    if other:
        found.append(f"tensors: other integers in {len(other)} of {len(digests[0])} layers")
    return tuple(found)


def _changes(a: Mapping[str, Any], b: Mapping[str, Any], within: str = "") -> list[str]:
    """Values that differ, by dotted name."""
    found = []
    for key in dict.fromkeys((*a, *b)):
        mine, theirs = a.get(key), b.get(key)
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            found += _changes(mine, theirs, f"{within}{key}.")
        elif mine != theirs:
            found.append(f"{within}{key} {_short(mine)} -> {_short(theirs)}")
    return found


def _short(value: Any) -> str:
    text = "(none)" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _layer_rows(
    pair: str, mine: "pd.DataFrame", theirs: "pd.DataFrame", elsewhere: str
) -> list[dict[str, Any]]:
    """Both sides of every layer, and what is known about why they differ.

    ``elsewhere`` are the causes that are not a layer's own.
    """
    left = {row["layer"]: row for _, row in mine.iterrows()}
    right = {row["layer"]: row for _, row in theirs.iterrows()}
    rows = []
    for layer in dict.fromkeys((*left, *right)):
        a, b = left.get(layer), right.get(layer)
        row: dict[str, Any] = {"pair": pair, "layer": layer}
        for name in WATCHED:
            first = None if a is None else a[name]
            second = None if b is None else b[name]
            row[f"{name}_a"], row[f"{name}_b"] = first, second
            row[f"{name}_ratio"] = second / first if first and second is not None else None
        row["changed"] = any(row[f"{name}_a"] != row[f"{name}_b"] for name in WATCHED)
        row["why"] = _why(a, b, elsewhere) if row["changed"] else ""
        rows.append(row)
    return rows


def _why(a: "pd.Series | None", b: "pd.Series | None", elsewhere: str) -> str:
    """What of the layer itself is not the same, and what is not elsewhere."""
    if a is None or b is None:
        return "only in one of them"
    found = [f"{name} {a[name]} -> {b[name]}" for name in ("mode", "images") if a[name] != b[name]]
    if a["digest"] != b["digest"]:
        found.append("other integers")
    return ", ".join([*found, *([elsewhere] if elsewhere else [])])
