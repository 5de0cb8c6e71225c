"""What a machine did, cycle by cycle: intervals and counts on named tracks.

A machine cuts a layer into parts, mostly its steps, that are worked out one at a time, so that a
trace never has to fit memory.  How a trace is written is the business of ``reports.trace``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from arch.counters import LayerResult
from arch.memory import Timeline


@dataclass(frozen=True, slots=True)
class Track:
    """One line of the picture, in a named group; a ``counter`` shows counts, not intervals."""

    group: str
    name: str
    counter: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """The text of an interval, and the cause or kind under which its cycles are summed."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Intervals of one track; none is empty, and none overlap.

    ``label`` int64 (n,) indexes ``labels``; ``start``, ``stop`` int64 (n,), cycles;
    ``numbers`` int64 (n,) each, what else there is to say of every interval.
    """

    track: Track
    labels: Sequence[Label]
    label: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.start.size

    def within(self, first: int, last: int) -> "Spans":
        """The parts of the intervals in cycles ``first`` to ``last``; numbers stay whole."""
        keep = (self.start < last) & (self.stop > first)
        return replace(
            self,
            label=self.label[keep],
            start=np.maximum(self.start[keep], first),
            stop=np.minimum(self.stop[keep], last),
            numbers={name: column[keep] for name, column in self.numbers.items()},
        )


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Counts of one track: the value from each cycle ``at`` on, int64 (n,), ascending."""

    track: Track
    at: np.ndarray
    values: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return self.at.size

    def within(self, first: int, last: int) -> "Counts":
        """The changes in cycles ``first`` to ``last``, after the values at ``first``."""
        low = max(0, int(np.searchsorted(self.at, first, "right")) - 1)
        high = int(np.searchsorted(self.at, last))
        return replace(
            self,
            at=np.maximum(self.at[low:high], first),
            values={name: column[low:high] for name, column in self.values.items()},
        )


Batch = Spans | Counts


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Cycles ``start`` to ``stop`` of a layer; ``batches`` computes what happened in them."""

    start: int
    stop: int
    batches: Callable[[], Iterable[Batch]]


@dataclass(frozen=True, slots=True, eq=False)
class LayerTrace:
    """One simulated layer with all tracks, in the order of display."""

    result: LayerResult
    tracks: tuple[Track, ...]
    parts: tuple[Part, ...]

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """What happened in cycles ``first`` to ``last``, part by part."""
        for part in self.parts:
            yield from self.inside(part, first, last)

    @staticmethod
    def inside(part: Part, first: int, last: int) -> Iterator[Batch]:
        """What happened in one part within cycles ``first`` to ``last``."""
        if part.start < last and part.stop > first:
            cut = (batch.within(first, last) for batch in part.batches())
            yield from (batch for batch in cut if len(batch))


def runs(label: np.ndarray, start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last interval of each run of equal, touching intervals; empty ones are left out.

    Examples
    --------
    >>> first, last = runs(np.array([1, 1, 0, 1]), np.array([0, 2, 5, 5]), np.array([2, 5, 5, 9]))
    >>> first.tolist(), last.tolist()
    ([0], [3])
    """
    there = np.flatnonzero(stop > start)
    before, after = there[:-1], there[1:]
    cut = (label[before] != label[after]) | (stop[before] != start[after])
    edges = np.flatnonzero(cut) + 1
    ends = np.append(edges, there.size) if there.size else edges
    starts = np.append(0, edges) if there.size else edges
    return there[starts], there[ends - 1]


def single(track: Track, label: Label, start: int, stop: int, **numbers: int) -> Spans:
    """A batch of one interval."""
    columns = {name: np.array([value]) for name, value in numbers.items()}
    zero = np.zeros(1, np.int64)
    return Spans(track, (label,), zero, np.array([start]), np.array([stop]), columns)


def changes(track: Track, at: np.ndarray, values: Mapping[str, np.ndarray]) -> Counts:
    """Counts that start from 0, without cycles at which nothing changes."""
    fresh = np.zeros(at.size, bool)
    for column in values.values():
        fresh |= np.diff(column, prepend=0) != 0
    return Counts(track, at[fresh], {name: column[fresh] for name, column in values.items()})


def dram_spans(
    track: Track,
    timeline: Timeline,
    latency: int,
    tensors: Callable[[int, bool], Mapping[str, int]],
) -> Iterator[Spans]:
    """Latency and transfer of every request; ``tensors`` gives the bytes of a request by tensor."""
    asked = timeline.requests
    columns = (asked.step, asked.store, asked.first, asked.done, asked.size)
    for n, store, first, done, size in zip(*(column.tolist() for column in columns), strict=True):
        parts = {name: part for name, part in tensors(n, bool(store)).items() if part}
        assert sum(parts.values()) == size
        way = "store" if store else "load"
        if latency:
            yield single(track, Label("latency", "latency"), first - latency, first, step=n)
        label = Label(f"{way} {' + '.join(parts)}", way)
        yield single(track, label, first, done, step=n, bytes=size, **parts)
