"""load: results folders as one tidy frame, whatever wrote them."""

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from arch.errors import SpecError
from arch.machine import machine
from arch.simulate import NetworkRun
from escalate.app.arguments import Paths, listed
from escalate.app.code import part_digest
from escalate.app.results import FILE, ResultsError, read_runs
from escalate.app.sources import COMPRESSED, INT8
from escalate.app.sweeps.store import POINTS, SUFFIX, read_point
from escalate.version import VERSION
from reports.axes import axis_columns
from reports.quantity import AXIS
from reports.table import counted, layer_frame, origin_columns, totals

if TYPE_CHECKING:
    import pyarrow as pa

Level = Literal["layers", "points"]
FRONT = ("point", "network", "source", "machine", "preset")
SHORT = 12  # digits of a point's hash that tables show
FED = ("coefficients", "activations", "weights", "kind", "basis", "seed", "images")


class LeftOut(UserWarning):
    """Points in a folder that a frame does not hold, and why."""


def load(results: Paths, level: Level = "layers", *, every_version: bool = False) -> pd.DataFrame:
    """Results as a tidy frame: a row per layer and point, or per point.

    Parameters
    ----------
    results : folders that ``sweep``, ``simulate``, ``compare`` or ``demo`` wrote
    level : ``layers``, or ``points`` for one row per point with totals over its layers
    every_version : also take points that other versions of the program, or other states of its
        code, have made

    Returns
    -------
    Columns ``point`` (a short hash), ``network``, ``source``, ``machine``, ``preset``, one
    ``axis_NAME`` for everything else that differs between points, and those of docs/columns.md.
    ``frame.attrs["axes"]`` lists the axes, ``frame.attrs["refused"]`` the points that their
    machine cannot run, with reasons.

    Raises
    ------
    ResultsError
        If a folder holds no results.

    Warns
    -----
    LeftOut
        For files that are torn, foreign or of another state of the program; they are left alone.
    """
    layers, points = load_both(results, every_version=every_version, rows=level == "layers")
    return points if level == "points" else layers


def load_both(
    results: Paths, *, every_version: bool = False, rows: bool = True
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both frames of ``load``; without ``rows`` the first one is empty, which is quicker."""
    found = [_folder(Path(folder), every_version, rows) for folder in listed(results)]
    there: dict[str, _Point] = {}
    for some, _ in found:
        for each in some:
            there.setdefault(each.name, each)
    axes = axis_columns([each.about for each in there.values()])
    ordered = sorted(there.values(), key=lambda each: _order(each, axes))
    for _, lines in found:
        for line in lines:
            warnings.warn(line, LeftOut, stacklevel=3)
    kept = [each for each in ordered if each.totals is not None]
    front = [_front(each, axes) for each in kept]
    layers = _layers(kept, front) if rows else pd.DataFrame()
    points = _zeros(pd.DataFrame([f | (e.totals or {}) for f, e in zip(front, kept, strict=True)]))
    for frame in (layers, points):
        frame.attrs["axes"] = [name for name in frame.columns if name.startswith(AXIS)]
        frame.attrs["refused"] = {e.name: e.about["refused"] for e in ordered if e.totals is None}
    return layers, points


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """One point of a folder; ``totals`` are None where its machine refused it."""

    about: dict[str, Any]
    totals: dict[str, Any] | None
    rows: "pa.Table | None"

    @property
    def name(self) -> str:
        name: str = self.about["point"]
        return name


def _order(point: _Point, axes: Mapping[str, Mapping[str, Any]]) -> Any:
    """Points by network, source, machine, preset and then by every axis."""
    values = [axis.get(point.name) for axis in axes.values()]
    return (
        *(str(point.about[name]) for name in FRONT[1:]),
        *(
            (isinstance(v, str), 0.0 if isinstance(v, str) else float(v or 0), str(v))
            for v in values
        ),
    )


def _front(point: _Point, axes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What tells a point from others."""
    named = {name: point.about[name] for name in FRONT}
    return named | {AXIS + name: values.get(point.name) for name, values in axes.items()}


def _layers(points: Sequence[_Point], front: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows of all points, what tells these apart in front and what made them behind."""
    import pyarrow as pa

    tables = [each.rows for each in points if each.rows is not None]
    by_schema: dict[str, list[int]] = {}
    for n, table in enumerate(tables):
        by_schema.setdefault(str(table.schema), []).append(n)
    order = [n for some in by_schema.values() for n in some]
    alike = [pa.concat_tables([tables[n] for n in some]) for some in by_schema.values()]
    frame = _zeros(pa.concat_tables(alike, promote_options="permissive").to_pandas())
    counts = [len(tables[n]) for n in order]
    columns = {name: pd.Series([front[n][name] for n in order]) for name in front[0]}
    stories = pd.DataFrame([_origin(points[n].about) for n in order])
    left = pd.DataFrame(columns).loc[np.repeat(range(len(order)), counts)].reset_index(drop=True)
    right = stories.loc[np.repeat(range(len(order)), counts)].reset_index(drop=True)
    rest = frame.drop(columns=[name for name in left if name in frame])
    found = pd.concat([left, rest, right], axis=1)
    if order == sorted(order):
        return found
    places = np.repeat(order, counts)
    return found.iloc[np.argsort(places, kind="stable")].reset_index(drop=True)


def _zeros(frame: pd.DataFrame) -> pd.DataFrame:
    """A count or an energy that a machine does not have is 0; counts stay whole numbers."""
    for name in frame.columns[frame.isna().any()]:
        if counted(name):
            filled = frame[name].fillna(0)
            frame[name] = filled if name.endswith("_j") else filled.astype("int64")
    return frame


def _folder(folder: Path, every_version: bool, rows: bool) -> tuple[list[_Point], list[str]]:
    """The points of a folder, and what was left out."""
    if (folder / POINTS).is_dir():
        return _swept(folder, every_version, rows)
    if (folder / FILE).is_file():
        return [_single(run) for run in read_runs(folder)], []
    raise ResultsError(f"{folder}: holds no results, wanted a folder that sweep or --out wrote")


def _swept(folder: Path, every_version: bool, rows: bool) -> tuple[list[_Point], list[str]]:
    found, left_out, others = [], [], 0
    names = sorted((folder / POINTS).iterdir())
    paths = [path for path in names if path.suffix == SUFFIX and not path.name.startswith(".")]
    with ThreadPoolExecutor() as pool:  # decoding needs no interpreter
        read = list(pool.map(partial(read_point, rows=rows), paths))
    for path, (about, table) in zip(paths, read, strict=True):
        if isinstance(about, str):
            left_out.append(f"{path}: {about}")
        elif not every_version and not _current(about):
            others += 1
        else:
            about |= {"point": about["key"][:SHORT], **_fed(about)}
            totals = None if "refused" in about else _totals(about, about["totals"])
            found.append(_Point(about, totals, table))
    if others:
        left_out.append(f"{folder}: {others} points of other versions or code than {VERSION} here")
    if not any(each.totals for each in found):
        told = f"; {'; '.join(left_out)}" if left_out else ""
        refused = f", {len(found)} refused" if found else ""
        raise ResultsError(f"{folder}: no finished point of this version{refused}{told}")
    return found, left_out


def _current(about: Mapping[str, Any]) -> bool:
    """Whether a point was made by the program as it is, as far as its machine is there."""
    try:
        code = part_digest(machine(about["machine"]))
    except SpecError:  # a machine of the user's that is not installed here
        return bool(about["version"] == VERSION)
    return bool(about["version"] == VERSION and about["code"] == code)


def _single(run: NetworkRun) -> _Point:
    """A run of simulate or compare as a point."""
    import pyarrow as pa

    about: dict[str, Any] = {
        "network": run.network,
        "machine": run.machine,
        "preset": run.preset,
        "source": str(run.provenance.get("source", run.network)),
        "spec": run.spec.model_dump(mode="json"),
        "provenance": dict(run.provenance),
    }
    text = json.dumps(about, sort_keys=True, default=str)
    about |= {"point": hashlib.sha256(text.encode()).hexdigest()[:SHORT], **_fed(about)}
    rows = layer_frame([run]).drop(columns=["spec_json", "provenance_json"])
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata()
    return _Point(about, _totals(about, totals(run)), table)


def _totals(about: Mapping[str, Any], sums: Mapping[str, Any]) -> dict[str, Any]:
    """A point's own row."""
    return {**_model(about), **sums, **_origin(about)}


def _model(about: Mapping[str, Any]) -> dict[str, float]:
    """How good and how small a compressed model is, as its own story tells it."""
    provenance = about["provenance"]
    story = provenance.get("model")
    if not isinstance(story, Mapping):
        return {}
    from escalate.store.footprint import compression_ratio

    found = {"stored_bytes": provenance.get("stored_bytes")}
    form = provenance["tensors"] if provenance["tensors"] == INT8 else COMPRESSED
    accuracy = story.get("accuracy")
    found["accuracy"] = accuracy.get(form) if isinstance(accuracy, Mapping) else None
    parameters = story.get("original_parameters")
    if parameters and found["stored_bytes"]:
        found["compression_ratio"] = compression_ratio(parameters, found["stored_bytes"])
    return {name: value for name, value in found.items() if value is not None}


def _origin(about: Mapping[str, Any]) -> dict[str, Any]:
    return origin_columns(about["spec"], about["provenance"])


def _fed(about: Mapping[str, Any]) -> dict[str, Any]:
    """What a point's tensors were made of, as far as it is a single value."""
    provenance = about.get("provenance") or {}
    recipe = provenance.get("synthetic") or {}
    model = provenance.get("model")
    options = model.get("options", {}) if isinstance(model, Mapping) else {}
    found = {**options, **{name: recipe.get(name) for name in FED if name in recipe}}
    if isinstance(provenance.get("images"), str):
        found["images_from"] = provenance["images"]
    return {"fed": {k: v for k, v in found.items() if isinstance(v, int | float | str)}}
