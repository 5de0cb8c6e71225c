"""work: what one worker does with a batch of points; the same wherever it runs."""

import contextlib
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from escalate.app.code import part_digest
from escalate.app.simulate import Simulation, try_choices
from escalate.app.sweeps.axes import SweepError
from escalate.app.sweeps.points import Batch, Point
from escalate.app.sweeps.store import Store
from escalate.app.threads import threads

ONE_AT_A_TIME = threading.Lock()  # processes over points, threads over tiles: never both


@dataclass(frozen=True, slots=True)
class Done:
    """What became of the points of a batch, by key.

    ``busy`` are those that another process was computing; ``torn`` tells of files that stood under
    the names of points and could not be read, which were computed again.
    """

    computed: tuple[str, ...] = ()
    there: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    torn: tuple[str, ...] = ()


def run_batch(folder: str, batch: Batch, kernel_threads: int | None) -> Done:
    """Simulate the points of a batch that are not finished, and write each.

    Parameters
    ----------
    folder : of the results
    batch : points on the same tensors
    kernel_threads : of each simulation; results never depend on it

    Raises
    ------
    ValueError
        A subclass of ours, for a source that cannot be read after all.
    OSError
        If a point cannot be written.
    """
    for each in batch.points:
        if part_digest(each.choice.machine) != each.code:
            raise SweepError(
                f"{socket.gethostname()}: this worker has other code of escalate or of "
                f"{each.choice.machine.name} than the sweep; wanted the same version everywhere"
            )
    store = Store(Path(folder))
    there, busy, torn = [], [], []
    mine: list[Point] = []
    with ONE_AT_A_TIME, contextlib.ExitStack() as locks:
        for each in batch.points:
            if not locks.enter_context(store.locked(each.key)):
                busy.append(each.key)
                continue
            problem = store.problem(each.key)
            if problem is None:
                there.append(each.key)
                continue
            mine.append(each)
            if problem:
                torn.append(problem)
        with threads(kernel_threads):
            refused = _simulate(store, mine) if mine else []
    computed = tuple(each.key for each in mine)
    return Done(computed, tuple(there), tuple(busy), tuple(refused), tuple(torn))


def _simulate(store: Store, points: Sequence[Point]) -> list[tuple[str, str]]:
    """Simulate points side by side and write them; the refusals among them."""
    first = points[0]
    found = try_choices(first.source, [each.choice for each in points], first.feed)
    refused = []
    for each, outcome in zip(points, found, strict=True):
        if isinstance(outcome, Simulation):
            store.write(each, outcome.run)
        else:
            refused.append((each.key, str(outcome)))
            store.write(each, str(outcome))
    return refused
