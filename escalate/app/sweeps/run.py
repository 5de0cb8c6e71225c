"""run: batches go to this process, to processes of ours, or to a Dask cluster that is there."""

import multiprocessing
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TYPE_CHECKING

from arch.threads import most_threads
from escalate.app.sweeps.axes import SweepError
from escalate.app.sweeps.points import Batch
from escalate.app.sweeps.work import Done, run_batch

if TYPE_CHECKING:
    from distributed import Client

ADDRESS = re.compile(r"[a-z]+://[^\s/]+:[0-9]+")
MOST_DEATHS = 3  # of workers, before a sweep gives up
CONNECT_S = "10s"
AHEAD = 2  # batches that wait for a process, so that it never waits for one
PAUSE_S = 0.2  # between looks at points that another process computes
Watch = Callable[[Done], None]
in_child = run_batch  # what another process runs


def run_batches(
    folder: str,
    batches: Sequence[Batch],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    kernel_threads: int | None = None,
    watch: Watch | None = None,
) -> Done:
    """Have every point of the batches computed, and wait for those that others compute.

    Parameters
    ----------
    folder : of the results
    batches : as ``points.batches`` makes them
    workers : processes; 1 for this one
    scheduler : address of a Dask scheduler, instead of own processes
    kernel_threads : of each simulation
    watch : called after each batch

    Raises
    ------
    SweepError
        If the cluster cannot be reached, or workers keep dying.
    ValueError, OSError
        As for ``run_batch``; what is finished stays.
    """
    once: Callable[[str, Sequence[Batch], int | None], Iterator[Done]] = _here
    if scheduler is not None:
        once = partial(_on_cluster, scheduler)
    elif workers > 1:
        once = partial(_in_processes, workers)
    total = Done()
    left = list(batches)
    while left:
        busy: list[str] = []
        for done in once(folder, left, kernel_threads):
            busy += done.busy
            total = _added(total, done)
            if watch is not None:
                watch(done)
        left = _remaining(left, set(busy))
        if left:
            time.sleep(PAUSE_S)
    return total


def _remaining(batches: Sequence[Batch], busy: set[str]) -> list[Batch]:
    kept = [Batch(tuple(p for p in batch.points if p.key in busy)) for batch in batches]
    return [batch for batch in kept if batch.points]


def _added(total: Done, more: Done) -> Done:
    return Done(
        total.computed + more.computed,
        total.there + more.there,
        (),
        total.refused + more.refused,
        total.torn + more.torn,
    )


def _here(folder: str, batches: Sequence[Batch], kernel_threads: int | None) -> Iterator[Done]:
    for batch in batches:
        yield run_batch(folder, batch, kernel_threads)


def _in_processes(
    workers: int, folder: str, batches: Sequence[Batch], kernel_threads: int | None
) -> Iterator[Done]:
    """This process and others, started afresh so that no thread is copied; dead ones replaced."""
    each = kernel_threads or max(1, most_threads() // workers)
    waiting, deaths = deque(batches), 0
    while waiting:
        given: dict[Future[Done], Batch] = {}
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers - 1, mp_context=context) as pool:
            try:
                while waiting or given:
                    while len(waiting) > 1 and len(given) < AHEAD * (workers - 1):
                        given[pool.submit(in_child, folder, waiting[0], each)] = waiting[0]
                        waiting.popleft()  # only now: a pool that just broke takes nothing
                    if waiting:
                        yield run_batch(folder, waiting.popleft(), each)
                    for future in wait(given, timeout=0 if waiting else None).done:
                        yield future.result()
                        del given[future]
            except BrokenProcessPool:
                deaths += 1
                waiting.extendleft(given.values())
                if deaths >= MOST_DEATHS:
                    raise SweepError(
                        f"{folder}: a worker process died {deaths} times (killed, or out of "
                        "memory?); finished points are kept, fewer --workers take less memory"
                    ) from None
            except BaseException as end:
                pool.shutdown(wait=False, cancel_futures=True)
                if not isinstance(end, Exception):  # stopped: what others compute is not awaited
                    for process in multiprocessing.active_children():
                        process.terminate()
                raise


def _client(scheduler: str) -> "Client":
    try:
        from distributed import Client
    except ImportError:
        raise SweepError(
            "--scheduler: wants the package distributed: pip install 'escalate-sim[cluster]'"
        ) from None
    if not ADDRESS.fullmatch(scheduler):
        raise SweepError(f"--scheduler {scheduler}: wanted tcp://HOST:PORT")
    try:
        return Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SweepError(f"--scheduler {scheduler}: cannot be reached: {error}") from None


def check_scheduler(scheduler: str) -> None:
    """Refuse a cluster that cannot be reached.

    Raises
    ------
    SweepError
        Naming the address and what is wrong with it.
    """
    _client(scheduler).close()


def _on_cluster(
    scheduler: str, folder: str, batches: Sequence[Batch], kernel_threads: int | None
) -> Iterator[Done]:
    """Workers of a Dask cluster; the scheduler gives the work of one that dies to another."""
    from distributed import as_completed

    with _client(scheduler) as client:
        futures = [
            client.submit(run_batch, folder, batch, kernel_threads, pure=False) for batch in batches
        ]
        for _future, done in as_completed(futures, loop=client.loop, with_results=True):
            yield done
