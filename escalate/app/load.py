"""load: results folders as one tidy frame, whatever wrote them."""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from arch.simulate import NetworkRun
from escalate.app.arguments import Paths, listed
from escalate.app.results import FILE, ResultsError, read_runs
from escalate.app.sources import COMPRESSED, INT8
from escalate.app.sweeps.store import POINTS, SUFFIX, about_of
from escalate.version import VERSION
from reports.axes import axis_columns
from reports.quantity import AXIS
from reports.table import layer_frame, layer_rows, totals

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Level = Literal["layers", "points"]
FRONT = ("point", "network", "source", "machine", "preset")
FP32_BYTES = 4
SHORT = 12  # digits of a point's hash that tables show
FED = ("coefficients", "activations", "weights", "kind", "basis", "seed", "images")


class LeftOut(UserWarning):
    """Points in a folder that a frame does not hold, and why."""


def load(results: Paths, level: Level = "layers", *, every_version: bool = False) -> "pd.DataFrame":
    """Results as a tidy frame: a row per layer and point, or per point.

    Parameters
    ----------
    results : folders that ``sweep``, ``simulate``, ``compare`` or ``demo`` wrote
    level : ``layers``, or ``points`` for one row per point with totals over its layers
    every_version : also take points of other versions of the program

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
    import pandas as pd

    found = [_folder(Path(folder), level, every_version) for folder in listed(results)]
    frames = [frame for frame, _, _ in found]
    abouts = [about for _, some, _ in found for about in some]
    axes = axis_columns(abouts)
    frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    frame = _once(frame, level)
    order = {about["point"]: n for n, about in enumerate(sorted(abouts, key=_order(axes)))}
    frame = frame.sort_values("point", key=lambda names: names.map(order), kind="stable")
    frame = frame.reset_index(drop=True)
    for name, values in axes.items():
        at = list(frame.columns).index("preset") + 1
        frame.insert(at, AXIS + name, frame["point"].map(values))
    _tell_left_out([line for _, _, some in found for line in some])
    frame.attrs["axes"] = [name for name in frame.columns if name.startswith(AXIS)]
    frame.attrs["refused"] = {
        about["point"]: about["refused"] for about in abouts if "refused" in about
    }
    return frame


def _order(axes: Mapping[str, Mapping[str, Any]]) -> Callable[[Mapping[str, Any]], Any]:
    """Points by network, source, machine, preset and then by every axis."""

    def key(about: Mapping[str, Any]) -> Any:
        values = [axis.get(about["point"]) for axis in axes.values()]
        return (
            *(str(about[name]) for name in FRONT[1:]),
            *(
                (isinstance(v, str), 0.0 if isinstance(v, str) else float(v or 0), str(v))
                for v in values
            ),
        )

    return key


def _once(frame: "pd.DataFrame", level: Level) -> "pd.DataFrame":
    """Points that stand in two folders, once."""
    keys = ["point"] if level == "points" else ["point", "layer"]
    return frame.drop_duplicates(keys, ignore_index=True).copy()


def _tell_left_out(lines: Sequence[str]) -> None:
    for line in lines:
        warnings.warn(line, LeftOut, stacklevel=3)


def _folder(
    folder: Path, level: Level, every_version: bool
) -> tuple["pd.DataFrame", list[dict[str, Any]], list[str]]:
    """Rows, what the points are, and what was left out."""
    if (folder / POINTS).is_dir():
        return _swept(folder, level, every_version)
    if (folder / FILE).is_file():
        return _single(read_runs(folder), level)
    raise ResultsError(f"{folder}: holds no results, wanted a folder that sweep or --out wrote")


def _swept(
    folder: Path, level: Level, every_version: bool
) -> tuple["pd.DataFrame", list[dict[str, Any]], list[str]]:
    import pyarrow as pa

    abouts, tables, left_out, others = [], [], [], 0
    for path in sorted((folder / POINTS).iterdir()):
        if path.suffix != SUFFIX or path.name.startswith("."):
            continue
        about = about_of(path)
        if isinstance(about, str):
            left_out.append(f"{path}: {about}")
        elif about["version"] != VERSION and not every_version:
            others += 1
        else:
            abouts.append({**about, **_fed(about), "point": about["key"][:SHORT]})
            if "refused" not in about:
                tables.append(_rows(path, abouts[-1], level))
    if others:
        left_out.append(f"{folder}: {others} points of other versions than {VERSION}")
    if not abouts:
        told = f" ({'; '.join(left_out)})" if left_out else ""
        raise ResultsError(f"{folder}: holds no finished point of this version{told}")
    return _frame(pa.concat_tables(tables, promote_options="permissive")), abouts, left_out


def _rows(path: Path, about: Mapping[str, Any], level: Level) -> "pa.Table":
    """The rows of one point, with what tells it from others in front."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if level == "points":
        front = {name: about[name] for name in FRONT}
        values = {**front, **_model(about), **about["totals"], **_origin(about)}
        return pa.table({name: [value] for name, value in values.items()})
    rows = pq.ParquetFile(path).read(use_threads=False).replace_schema_metadata()
    own = {name: pa.repeat(about[name], len(rows)) for name in FRONT}
    rest = {name: rows[name] for name in rows.column_names if name not in own}
    shared = {name: pa.repeat(text, len(rows)) for name, text in _origin(about).items()}
    return pa.table({**own, **rest, **shared})


def _model(about: Mapping[str, Any]) -> dict[str, float]:
    """How good and how small a compressed model is, as its own story tells it."""
    provenance = about["provenance"]
    story = provenance.get("model")
    if not isinstance(story, Mapping):
        return {}
    found = {"stored_bytes": provenance.get("stored_bytes")}
    form = provenance["tensors"] if provenance["tensors"] == INT8 else COMPRESSED
    accuracy = story.get("accuracy")
    found["accuracy"] = accuracy.get(form) if isinstance(accuracy, Mapping) else None
    parameters = story.get("original_parameters")
    if parameters and found["stored_bytes"]:
        found["compression_ratio"] = FP32_BYTES * parameters / found["stored_bytes"]
    return {name: value for name, value in found.items() if value is not None}


def _origin(about: Mapping[str, Any]) -> dict[str, str]:
    return {
        "spec_json": json.dumps(about["spec"], sort_keys=True),
        "provenance_json": json.dumps(about["provenance"], sort_keys=True),
    }


def _frame(table: "pa.Table") -> "pd.DataFrame":
    """As pandas; a count or an energy that a machine does not have is 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {}
    for name in table.column_names:
        column = table[name]
        counted = name.endswith(("_cycles", "_bytes", "_j")) and not pa.types.is_null(column.type)
        columns[name] = pc.fill_null(column, 0) if counted else column
    return pa.table(columns).to_pandas()


def _single(
    runs: Sequence[NetworkRun], level: Level
) -> tuple["pd.DataFrame", list[dict[str, Any]], list[str]]:
    """Runs of simulate or compare as points."""
    import pandas as pd

    abouts, frames = [], []
    for run in runs:
        spec = run.spec.model_dump(mode="json")
        about: dict[str, Any] = {
            "network": run.network,
            "machine": run.machine,
            "preset": run.preset,
        }
        about |= {"spec": spec, "provenance": dict(run.provenance), "source": _source(run)}
        text = json.dumps(about, sort_keys=True, default=str)
        about |= {"point": hashlib.sha256(text.encode()).hexdigest()[:SHORT]} | _fed(about)
        abouts.append(about)
        front = {name: about[name] for name in FRONT}
        if level == "points":
            frames.append(
                pd.DataFrame([{**front, **_model(about), **totals(run), **_origin(about)}])
            )
        else:
            rows = layer_frame([run]).drop(columns=["network", "machine", "preset"])
            frames.append(pd.concat([pd.DataFrame([front] * len(layer_rows(run))), rows], axis=1))
    return pd.concat(frames, ignore_index=True), abouts, []


def _source(run: NetworkRun) -> str:
    return str(run.provenance.get("source", run.network))


def _fed(about: Mapping[str, Any]) -> dict[str, Any]:
    """What a point's tensors were made of, as far as it is a single value."""
    provenance = about.get("provenance") or {}
    recipe = about.get("synthetic") or provenance.get("synthetic") or {}
    model = provenance.get("model")
    options = model.get("options", {}) if isinstance(model, Mapping) else {}
    found = {**options, **{name: recipe.get(name) for name in FED if name in recipe}}
    if isinstance(provenance.get("images"), str):
        found["images_from"] = provenance["images"]
    return {"fed": {k: v for k, v in found.items() if isinstance(v, int | float | str)}}
