"""sweep: a file of axes is simulated point by point into a folder that resumes."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from escalate.app.sweeps.file import Written, read
from escalate.app.sweeps.plan import Plan, plan
from escalate.app.sweeps.points import Batch, batches
from escalate.app.sweeps.run import run_batches
from escalate.app.sweeps.store import Store
from escalate.app.sweeps.work import Done

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


def planned(file: str | Path) -> tuple[Written, Plan]:
    """A sweep file and its points, everything checked and nothing run.

    Raises
    ------
    SweepError
        One line for each thing that is wrong with the file.
    """
    written = read(Path(file))
    return written, plan(written)


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
    written, found = planned(file)
    return run_plan(
        written,
        found,
        Path(out),
        workers=workers,
        scheduler=scheduler,
        threads=threads,
        watch=watch,
    )


def run_plan(
    written: Written,
    found: Plan,
    out: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    threads: int | None = None,
    watch: Watch | None = None,
) -> Swept:
    """Run what ``planned`` returned; parameters and errors as for ``sweep``."""
    store = Store(out)
    torn = [f"{store.path(p.key)}: {why}" for p in found.points if (why := store.torn(p.key))]
    store.keep_file(written.text)
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
    return Swept(out, len(found.points), total.computed, total.there, total.refused, tuple(torn))
