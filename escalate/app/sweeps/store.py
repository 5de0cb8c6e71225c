"""store: a sweep's results folder; each finished point is one Parquet file, written whole.

A file is named by the hash of everything that its rows depend on.  So a killed sweep loses no
finished point and repeats none, sweeps may share a folder, and a file of another state of the
program is never mistaken for one of this.  Locks belong to processes: the system frees them when
a process dies, however it dies.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from arch.simulate import NetworkRun
from escalate.app.new_file import check_writable, named
from escalate.app.results import ResultsError, finite
from escalate.app.sweeps.points import FORMAT, Point
from escalate.version import VERSION
from reports.table import counted, identity, layer_rows, totals

if TYPE_CHECKING:
    import pyarrow as pa

POINTS, LOCKS, SWEEP, MODELS = "points", "locks", "sweep.toml", "models"
SUFFIX = ".parquet"
ABOUT = b"escalate"
NEEDED = ("key", "version", "code", "network", "source", "machine", "preset", "spec")


class Store:
    """The folder of a sweep.

    Parameters
    ----------
    folder : is made if it is not there

    Raises
    ------
    ResultsError
        If something else stands there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        check_folder(folder)
        for name in (POINTS, LOCKS):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Where the point of that name lies."""
        return point_path(self.folder, key)

    def problem(self, key: str) -> str | None:
        """Why the point's file is no finished point: empty where there is none; None if it is one.

        All of it is read: a file may be torn anywhere.
        """
        path = self.path(key)
        if not path.is_file():
            return ""
        found, _ = read_point(path, rows=True)
        return f"{path}: {found}" if isinstance(found, str) else None

    @contextlib.contextmanager
    def locked(self, key: str) -> Iterator[bool]:
        """Whether the point is this process's to compute, for as long as the block lasts."""
        path = self.folder / LOCKS / key
        lock = filelock.FileLock(path, timeout=0, fallback_to_soft=False)
        try:
            lock.acquire()
        except filelock.Timeout:
            yield False
            return
        try:
            yield True
        finally:
            with contextlib.suppress(OSError):  # Windows removes a lock file only after its release
                path.unlink()
            lock.release()

    def write(self, point: Point, outcome: NetworkRun | str) -> None:
        """Put a point in place: its rows, or why the machine refuses it.

        Raises
        ------
        OSError
            If the disk is full or the folder cannot be written; earlier points stay.
        """
        import pyarrow.parquet as pq

        rows = _table(point, outcome)
        target = self.path(point.key)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{point.key}.", suffix=".tmp")
        try:
            with named(target), os.fdopen(handle, "wb") as file:
                pq.write_table(rows, file)
            os.chmod(name, 0o644)
            os.replace(name, target)
        finally:
            Path(name).unlink(missing_ok=True)

    def keep_file(self, text: str) -> None:
        """The sweep's own file beside its results, as last run."""
        target = self.folder / SWEEP
        aside = target.with_name(f".{SWEEP}-{os.getpid()}.tmp")
        try:
            with named(target):
                aside.write_text(text, "utf-8")
                os.replace(aside, target)
        finally:
            aside.unlink(missing_ok=True)

    def sweep_up(self) -> None:
        """Remove locks that nobody holds and halves of files that a killed run left."""
        for path in (self.folder / LOCKS).iterdir():
            with self.locked(path.name):
                pass
        for path in (self.folder / POINTS).glob(".*.tmp"):
            key = path.name.split(".")[1]
            with self.locked(key) as free:
                if free:
                    path.unlink(missing_ok=True)


def check_folder(folder: Path) -> None:
    """Refuse a folder that is no sweep's, or cannot be written.

    Raises
    ------
    ResultsError, OSError
        Naming it.
    """
    if folder.exists() and not folder.is_dir():
        raise ResultsError(f"{folder}: is a file, wanted a folder for results")
    there = (folder / POINTS).is_dir()
    if folder.is_dir() and not there and any(folder.iterdir()):
        first = min(entry.name for entry in folder.iterdir())
        raise ResultsError(
            f"{folder}: holds {first!r}, which no sweep wrote; it is left alone, choose "
            "another folder"
        )
    check_writable(folder / POINTS / SWEEP if there else folder)


def point_path(folder: Path, key: str) -> Path:
    """Where a results folder has, or would have, the point of that name."""
    return folder / POINTS / f"{key}{SUFFIX}"


def about_of(path: Path) -> dict[str, Any] | str:
    """What a point's file says about itself, or why it is none of ours."""
    return read_point(path, rows=False)[0]


def read_point(path: Path, *, rows: bool) -> "tuple[dict[str, Any] | str, pa.Table | None]":
    """What a point's file says about itself, or why it is none of ours; and its rows on demand."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            about = json.loads((file.metadata.metadata or {})[ABOUT])
            if not isinstance(about, dict) or about.get("format") != FORMAT:
                return f"of another format than {FORMAT!r}", None
            lacking = [name for name in NEEDED if name not in about]
            if lacking or ("refused" not in about and not {"provenance", "totals"} <= about.keys()):
                return f"foreign: lacks {', '.join(lacking) or 'totals'}", None
            table = file.read(use_threads=False).replace_schema_metadata() if rows else None
            return about, table
    except (pa.ArrowException, OSError) as error:
        return f"torn or foreign: {str(error).splitlines()[0]}", None
    except (KeyError, ValueError):
        return "foreign: no file of a sweep", None


def _table(point: Point, outcome: NetworkRun | str) -> "pa.Table":
    """Rows per layer, and in the file's metadata all that they share."""
    import pyarrow as pa

    about: dict[str, Any] = {
        "format": FORMAT,
        "key": point.key,
        "version": VERSION,
        "code": point.code,
        "source": " ".join(point.texts),
        "machine": point.choice.machine.name,
        "preset": point.choice.preset,
        "spec": point.choice.spec.model_dump(mode="json"),
    }
    rows: list[dict[str, Any]] = []
    if isinstance(outcome, str):
        about |= {"network": point.source.name, "refused": outcome}
    else:
        about |= {"network": outcome.network, "provenance": dict(outcome.provenance)}
        about["totals"] = finite(totals(outcome))
        # the preset by its plain name: what was changed in it stands in columns of its own
        own = {**identity(outcome), "preset": point.choice.preset}
        rows = [{**own, **row} for row in layer_rows(outcome)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    none = {name: 0 for name in columns if counted(name)}
    arrays = {name: pa.array([row.get(name, none.get(name)) for row in rows]) for name in columns}
    text = json.dumps(about, sort_keys=True, default=str)
    return pa.table(arrays).replace_schema_metadata({ABOUT: text.encode()})
