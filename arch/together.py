"""together: the images of one layer run one after the other, each by its own plan."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from arch.steps import Steps
from arch.undecomposed import Work


def _joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _added(tables: Sequence[Mapping[Any, int]]) -> dict[Any, int]:
    total: Counter[Any] = Counter()
    for table in tables:
        total.update(table)
    return {key: total[key] for key in tables[0]}


def _stored(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Weights lie in DRAM once; of all else each image has its own."""
    total = _added(parts)
    return total | {name: parts[0][name] for name in total if name == "weight"}


def together(works: Sequence[Work], extras: Mapping[str, Any]) -> Work:
    """The work of several images, with their steps in a row.

    Loads of one image may come while the one before still computes, so this takes no more cycles
    than the images alone.

    Parameters
    ----------
    works : at least one, with the same tensors, causes and events
    extras : what there is to tell of all of them

    Examples
    --------
    >>> zero = np.zeros(1, np.int64)
    >>> one = Work(Steps(zero + 5, {"input": zero + 64}, {}), 2, {"mac": 10}, 10, {}, {})
    >>> both = together([one, one], {})
    >>> both.steps.lengths.tolist(), both.causes, both.multiplies
    ([5, 5], {'mac': 20}, 20)
    """
    return Work(
        Steps(
            np.concatenate([work.steps.lengths for work in works]),
            _joined([work.steps.loads for work in works]),
            _joined([work.steps.stores for work in works]),
        ),
        works[0].units,
        _added([work.causes for work in works]),
        multiplies=sum(work.multiplies for work in works),
        traffic=_added([work.traffic for work in works]),
        events=_added([work.events for work in works]),
        drain_cycles=sum(work.drain_cycles for work in works),
        pipeline_cycles=sum(work.pipeline_cycles for work in works),
        extras=extras,
        stored=_stored([work.stored for work in works]),
    )
