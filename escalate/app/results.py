"""results: runs as one JSON object each, and as a folder that can be read back exactly."""

import json
import math
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from arch.counters import Counters, LayerResult
from arch.energy import Price, charges
from arch.errors import InvariantError
from arch.machine import Resources, machine
from arch.simulate import NetworkRun
from arch.spec import MachineSpec, override
from escalate.app.new_file import check_writable, name, named
from escalate.app.run_entry import RunEntry
from escalate.errors import FrontEndError
from escalate.version import VERSION
from reports.table import layer_rows, totals
from workloads.layer import ConvLayer
from workloads.number import shown
from workloads.read_file import read_bytes

FORMAT = "escalate results 1"
FILE = "run.json"
INTEGERS = ("cycles", "compute_cycles", "drain_cycles", "pipeline_cycles", "memory_stall_cycles")
COUNTS = (*INTEGERS, "macs", "effectual_ops", "stage1_pairs", "multiplies", "units")


class ResultsError(FrontEndError):
    """A results folder that is torn, foreign, or in the way."""


def run_object(run: NetworkRun, seconds: float) -> dict[str, Any]:
    """What ``--format json`` prints for one run; a ratio that does not exist is null."""
    summary = dict(totals(run))
    summary.setdefault("area_mm2", math.nan)
    about = {**run.provenance, "preset": run.preset, "spec": run.spec.model_dump(mode="json")}
    return {
        "network": run.network,
        "machine": run.machine,
        "source": about,
        "totals": finite(summary),
        "layers": [finite(row) for row in layer_rows(run)],
        "simulation_seconds": round(seconds, 3),
    }


def finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with None for every number that is not finite, as JSON wants it."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }


def dumps(value: Any) -> str:
    """JSON text, with a line per entry."""
    return json.dumps(value, indent=2, allow_nan=False, default=str)


def _layer_entry(result: LayerResult) -> dict[str, Any]:
    counters = result.counters
    return {
        "layer": asdict(result.layer),
        "images": result.images,
        "mode": result.mode,
        "counts": {name: getattr(counters, name) for name in COUNTS},
        "causes": dict(counters.causes),
        "traffic": [[*key, count] for key, count in counters.traffic.items()],
        "events": [[*key, count] for key, count in counters.events.items()],
        "peak_bandwidth": str(counters.peak_bandwidth),
        "extras": dict(result.extras),
        "provenance": dict(result.provenance),
        "stored": dict(result.stored),
    }


def _run_entry(run: NetworkRun) -> dict[str, Any]:
    prices = {(c.component, c.action): c.price for bill in run.charges for c in bill}
    return {
        "network": run.network,
        "machine": run.machine,
        "preset": run.preset,
        "spec": run.spec.model_dump(mode="json"),
        "resources": asdict(run.resources),
        "provenance": dict(run.provenance),
        "prices": [[*key, price.attojoules, price.source] for key, price in prices.items()],
        "layers": [_layer_entry(result) for result in run.results],
    }


def _layer_result(entry: Mapping[str, Any], name: str, spec: MachineSpec) -> LayerResult:
    layer: dict[str, Any] = {
        field: tuple(value) if isinstance(value, list) else value
        for field, value in entry["layer"].items()
    }
    counters = Counters(
        **entry["counts"],
        causes=entry["causes"],
        traffic={(a, b, c): count for a, b, c, count in entry["traffic"]},
        events={(a, b, c): count for a, b, c, count in entry["events"]},
        peak_bandwidth=Fraction(entry["peak_bandwidth"]),
    )
    return LayerResult(
        ConvLayer(**layer),
        entry["images"],
        name,
        spec,
        entry["mode"],
        counters,
        entry["extras"],
        entry["provenance"],
        entry["stored"],
    )


def _network_run(entry: Mapping[str, Any], where: str) -> NetworkRun:
    name = entry["machine"]
    spec = override(next(iter(machine(name).presets.values())), entry["spec"], where=where)
    results = tuple(_layer_result(layer, name, spec) for layer in entry["layers"])
    table = {(c, action): Price(aj, source) for c, action, aj, source in entry["prices"]}
    return NetworkRun(
        entry["network"],
        name,
        entry["preset"],
        spec,
        Resources(**entry["resources"]),
        results,
        tuple(charges(result.counters, table) for result in results),
        entry["provenance"],
    )


def write_runs(path: Path, runs: Sequence[NetworkRun]) -> None:
    """All integers of the runs, so that every table and page can be made again."""
    entries = [_run_entry(run) for run in runs]
    path.write_text(dumps({"format": FORMAT, "version": VERSION, "runs": entries}) + "\n", "utf-8")


def read_runs(folder: Path) -> list[NetworkRun]:
    """The runs of a results folder.

    Raises
    ------
    ResultsError
        If the folder holds none, or its file is torn or of another format.
    """
    path = folder / FILE
    try:
        entries = json.loads(read_bytes(path))
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}, wanted a folder of results") from None
    except ValueError as error:
        raise ResultsError(f"{path}: torn or foreign: {error}") from None
    if not isinstance(entries, dict) or entries.get("format") != FORMAT:
        raise ResultsError(f"{path}: wanted the format {FORMAT!r}")
    try:
        for entry in entries["runs"]:
            RunEntry.model_validate(entry)
        return [_network_run(entry, str(path)) for entry in entries["runs"]]
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        reason = f"{place} = {shown(first['input'])}: {first['msg']}"
        raise ResultsError(f"{path}: torn or written by another version: {reason}") from None
    except (InvariantError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ResultsError(f"{path}: torn or written by another version: {reason}") from None


class NewFolder:
    """A folder written aside and put in place whole; a killed run leaves the old one or none.

    Parameters
    ----------
    target : the folder; may be absent, empty, or an earlier one of ours, which is replaced
    names : every file and folder that one of ours holds; the first of them always is there

    Raises
    ------
    ResultsError
        If something stands at ``target`` that we did not write.
    OSError
        If ``target`` could not be written; while writing, also if the disk is full.
    """

    def __init__(self, target: Path, names: Sequence[str]) -> None:
        foreign = _foreign(target, names)
        if foreign is not None:
            raise ResultsError(f"{target}: {foreign}; it is left alone, choose another folder")
        check_writable(target)
        self.target = target.resolve()

    def __enter__(self) -> Path:
        with named(self.target):
            self._aside = self._beside()
        return self._aside

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: object
    ) -> None:
        if error is not None:
            shutil.rmtree(self._aside, ignore_errors=True)
            if isinstance(error, OSError):
                name(error, self.target)
            return
        try:
            with named(self.target):
                self._put_in_place()
        finally:
            shutil.rmtree(self._aside, ignore_errors=True)

    def _put_in_place(self) -> None:
        self._aside.chmod(0o755)
        if self.target.exists():
            old = self._beside()
            os.replace(self.target, old)
            os.replace(self._aside, self.target)
            shutil.rmtree(old)
        else:
            os.replace(self._aside, self.target)

    def _beside(self) -> Path:
        """A fresh hidden folder on the same disk."""
        parent = self.target.parent
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=parent, prefix=f".{self.target.name}-"))


def _foreign(target: Path, names: Sequence[str]) -> str | None:
    """Why the folder is not ours to replace; None if it is."""
    if not target.exists():
        return None
    if not target.is_dir():
        return "is a file"
    found = sorted(entry.name for entry in target.iterdir())
    strange = [name for name in found if name not in names]
    if strange:
        return f"holds {strange[0]!r}, which we did not write"
    if found and names[0] not in found:
        return f"holds no {names[0]}"
    return None
