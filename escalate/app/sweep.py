"""sweep: a file of axes is simulated point by point into a folder that resumes."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arch.errors import InvariantError
from escalate.app.estimate import Estimate, Job, estimate
from escalate.app.sweeps.axes import SweepError
from escalate.app.sweeps.compress import Compression, compressions, make
from escalate.app.sweeps.compress import Watch as ModelWatch
from escalate.app.sweeps.file import Written, read
from escalate.app.sweeps.plan import Plan, plan
from escalate.app.sweeps.points import Batch, Point, batches
from escalate.app.sweeps.run import check_scheduler, run_batches
from escalate.app.sweeps.script import check_script
from escalate.app.sweeps.store import MODELS, Store, check_folder, point_path
from escalate.app.sweeps.work import Done
from escalate.app.threads import threads as limited

MOST_IN_BATCH = 25
SHARES = 4  # batches per worker at least, so that none waits long for the last
CLUSTER = 16  # batches are cut as for so many workers, however many a cluster has

Watch = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """What a sweep did; a path wherever one is wanted.

    Parameters
    ----------
    folder : of the results
    points : how many the sweep has
    computed, there : keys of points that were simulated now, and that were finished before
    refused : keys of points that their machine cannot run, and why
    torn : files under the name of a point that could not be read; they were computed again
    """

    folder: Path
    points: int
    computed: tuple[str, ...]
    there: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    torn: tuple[str, ...]

    def __fspath__(self) -> str:
        return os.fspath(self.folder)


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """A sweep file whose every value was checked.

    Parameters
    ----------
    written : the file
    compressions : models to make first
    found : the points; those of models that are not made yet are only counted
    """

    written: Written
    compressions: tuple[Compression, ...]
    found: Plan

    def estimate(self, out: Path) -> Estimate:
        """What the points take in one process that a results folder does not hold yet."""
        groups: dict[Any, list[Point]] = {}
        for each in self.found.points:
            if point_path(out, each.key).is_file():
                continue
            key = (each.texts, each.feed, each.choice.machine.name)
            groups.setdefault(key, []).append(each)
        jobs = [
            Job(some[0].source, some[0].feed, tuple(p.choice for p in some))
            for some in groups.values()
        ]
        return estimate(jobs)


def planned(file: str | Path, out: str | Path = "results") -> Sweep:
    """A sweep file and its points, everything checked and nothing run.

    Parameters
    ----------
    file : TOML, see docs/sweeps.md
    out : folder of the results, where models may lie that an earlier run has made

    Raises
    ------
    SweepError
        One line for each thing that is wrong with the file.
    """
    written = read(Path(file))
    wanted = compressions(written)
    folders = [Path(out) / MODELS / each.name for each in wanted]
    return Sweep(written, wanted, plan(written, folders))


def cut(points: Plan, workers: int) -> list[Batch]:
    """The points in batches for so many workers."""
    most = -(-len(points.points) // (SHARES * workers)) if workers > 1 else MOST_IN_BATCH
    return batches(points.points, max(1, min(most, MOST_IN_BATCH)))


def sweep(
    file: str | Path,
    *,
    out: str | Path = "results",
    workers: int = 1,
    scheduler: str | None = None,
    threads: int | None = None,
    watch: Watch | None = None,
) -> Swept:
    """Simulate every point of a sweep file that its folder does not hold yet.

    Parameters
    ----------
    file : TOML, see docs/sweeps.md
    out : folder of the results; a killed sweep goes on where it was, and others may share it
    workers : processes of this machine
    scheduler : address of a Dask cluster to use instead, ``tcp://HOST:PORT``; its workers must see
        the same files
    threads : of each simulation; results depend neither on it nor on who computes them
    watch : called with points done and points in all

    Raises
    ------
    ValueError
        A subclass of ours, in one line or one for each bad value.
    """
    return run_sweep(
        planned(file, out),
        Path(out),
        workers=workers,
        scheduler=scheduler,
        threads=threads,
        watch=watch,
    )


def check(out: Path, *, workers: int = 1, scheduler: str | None = None) -> None:
    """Refuse what no point could be computed or kept with, before anything is.

    Raises
    ------
    SweepError, ResultsError, OSError
        For numbers of workers, addresses and folders that cannot be.
    """
    if workers < 1:
        raise SweepError(f"--workers: {workers}, wanted at least 1")
    if scheduler is not None:
        check_scheduler(scheduler)
    elif workers > 1:
        check_script(workers)
    check_folder(out)


def make_models(wanted: Sweep, out: Path, watch: ModelWatch | None = None) -> Sweep:
    """The sweep with all its models made, in the results folder.

    Raises
    ------
    ValueError
        A subclass of ours, if one cannot be made; those before it stay.
    """
    if not wanted.compressions:
        return wanted
    Store(out)
    folders = [make(each, out / MODELS, watch) for each in wanted.compressions]
    return Sweep(wanted.written, (), plan(wanted.written, folders))


def run_sweep(
    wanted: Sweep,
    out: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    threads: int | None = None,
    watch: Watch | None = None,
) -> Swept:
    """Run what ``planned`` returned; parameters and errors as for ``sweep``."""
    check(out, workers=workers, scheduler=scheduler)
    with limited(threads):  # refused before anything is written
        wanted = make_models(wanted, out)
    found = wanted.found
    store = Store(out)
    store.keep_file(wanted.written.text)
    done = 0

    def tell(batch: Done) -> None:
        nonlocal done
        done += len(batch.computed) + len(batch.there)
        if watch is not None:
            watch(done, len(found.points))

    cluster = 1 if scheduler is None else CLUSTER
    total = run_batches(
        os.fspath(out.resolve()),
        cut(found, max(workers, cluster)),
        workers=workers,
        scheduler=scheduler,
        kernel_threads=threads,
        watch=tell,
    )
    store.sweep_up()
    if len(total.computed) + len(total.there) != len(found.points):
        raise InvariantError(
            f"{out}: {len(total.computed)} points computed and {len(total.there)} there, of "
            f"{len(found.points)}"
        )
    return Swept(out, len(found.points), total.computed, total.there, total.refused, total.torn)
