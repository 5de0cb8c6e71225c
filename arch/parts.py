"""Plans to choose from: how an axis of work is cut, and which plan costs least.

A machine that plans a layer by itself tries plans of which each needs so and so many bytes of its
buffers.  Which plans there are never depends on the buffers: a larger buffer only admits more of
them, because a plan may leave part of a buffer unused.  So more of a buffer never costs cycles.

Rules: specification/memory.md, MEM-9 and MEM-10.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

from arch.spec import MachineSpec
from arch.steps import Steps

P = TypeVar("P")


def part_counts(total: int) -> tuple[int, ...]:
    """Numbers of parts to try: for every size of the largest part the smallest number, in order.

    About 2 sqrt(total) of them; cuts in between leave the largest part as it is.

    Examples
    --------
    >>> part_counts(10)
    (1, 2, 3, 4, 5, 10)
    """
    found, size = [], total
    while size > 0:
        count = -(-total // size)
        found.append(count)
        size = (total - 1) // count  # the largest size that needs more parts
    return tuple(found)


def few_counts(total: int) -> tuple[int, ...]:
    """Fewer numbers, for cuts that are costly to try: 1, 2, 3, 4, 6, 8, 12, ..., and all.

    Examples
    --------
    >>> few_counts(9), few_counts(1)
    ((1, 2, 3, 4, 6, 8, 9), (1,))
    """
    counts = {base << double for base in (1, 3) for double in range(total.bit_length())}
    return tuple(sorted({count for count in counts if count < total} | {total}))


def parts(total: int, count: int) -> np.ndarray:
    """Bounds of 0..total cut into parts as even as possible, int64 (count + 1,).

    Examples
    --------
    >>> parts(10, 4).tolist()
    [0, 2, 5, 7, 10]
    """
    return np.arange(count + 1, dtype=np.int64) * total // count


def cheapest(
    plans: Iterable[tuple[int, P]], price: Callable[[P], tuple[int, int] | None]
) -> tuple[tuple[int, int], P] | None:
    """The plan with the fewest cycles, then the fewest DRAM bytes, then the first one.

    Parameters
    ----------
    plans : of each cycles that it cannot beat, and the plan
    price : of a plan, cycles and DRAM bytes, or None where it is not allowed; asked only where the
        bound leaves hope

    Examples
    --------
    >>> asked = []
    >>> def price(plan):
    ...     asked.append(plan)
    ...     return plan, 0
    >>> cheapest([(7, 7), (3, 5), (4, 4)], price), asked
    (((4, 0), 4), [5, 4])
    """
    numbered = [(bound, number, plan) for number, (bound, plan) in enumerate(plans)]
    best: tuple[tuple[int, int], int, P] | None = None
    for bound, number, plan in sorted(numbered, key=lambda entry: entry[:2]):
        if best is not None and bound > best[0][0]:
            break
        cost = price(plan)
        if cost is not None and (best is None or (cost, number) < best[:2]):
            best = (cost, number, plan)
    return None if best is None else (best[0], best[2])


def price_of(steps: Steps, spec: MachineSpec) -> tuple[int, int]:
    """Cycles of some steps, with waits for DRAM, and their DRAM bytes."""
    return steps.finish(spec), sum(steps.dram(spec).values())


def one_by_one(runs: Sequence[Steps]) -> Steps:
    """Runs one after the other; each begins when everything of the one before has left.

    Two empty steps between two runs see to that: what is loaded for a step waits for the step two
    before it.  So they take the cycles and bytes that they take alone.

    Examples
    --------
    >>> run = Steps(np.array([5]), {"input": np.array([64])}, {"output": np.array([64])})
    >>> spec = MachineSpec()
    >>> one_by_one([run, run, run]).finish(spec) == 3 * run.finish(spec)
    True
    """
    pause = np.zeros(2, np.int64)

    def all_of(arrays: Iterable[np.ndarray]) -> np.ndarray:
        padded = (part for array in arrays for part in (pause, array))
        return np.concatenate(list(islice(padded, 1, None)))

    return Steps(
        all_of(run.lengths for run in runs),
        {name: all_of(run.loads[name] for run in runs) for name in runs[0].loads},
        {name: all_of(run.stores[name] for run in runs) for name in runs[0].stores},
    )
