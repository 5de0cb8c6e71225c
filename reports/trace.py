"""trace: write a layer's trace in the JSON trace-event format, which Perfetto and Chrome open.

Source of the format: "Trace Event Format", the Chromium project.  One microsecond of the file is
one cycle, so that every time is a whole number.  Events are written as they are worked out.
"""

import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from arch.trace import Batch, Counts, LayerTrace, Spans, Track

UNIT = "1 microsecond of this trace is 1 cycle"
COMPRESSION = 6


def count_events(trace: LayerTrace, first: int, last: int, most: int) -> int:
    """Events of cycles ``first`` to ``last``; above ``most``, an estimate from the first parts.

    Parameters
    ----------
    trace : LayerTrace
    first, last : cycles
    most : events after which counting stops
    """
    events = 0
    for part in trace.parts:
        events += sum(len(batch) for batch in trace.inside(part, first, last))
        if events > most:
            return events * (last - first) // (min(part.stop, last) - first)
    return events


def write_trace(
    path: Path, trace: LayerTrace, first: int, last: int, about: Mapping[str, Any]
) -> int:
    """Write cycles ``first`` to ``last`` of a layer; compressed if the name ends in ``.gz``.

    Parameters
    ----------
    path : the file
    trace : LayerTrace
    first, last : cycles; an interval that crosses them is cut there
    about : what made the trace, kept in the file's ``otherData``

    Returns
    -------
    events : how many were written, names of tracks left out
    """
    head = json.dumps({"time": UNIT, **about}, indent=1)
    with _opened(path) as file:
        file.write(f'{{"displayTimeUnit": "ns",\n"otherData": {head},\n"traceEvents": [\n')
        places = _places(trace.tracks)
        file.write(",\n".join(_names(places)))
        events = 0
        for batch in trace.batches(first, last):
            pid, tid = places[batch.track]
            file.write(",\n" + ",\n".join(_events(batch, pid, tid)))
            events += len(batch)
        file.write("\n]}\n")
    return events


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """The file, opened for text; compressed files hold neither name nor time of theirs."""
    if path.suffix != ".gz":
        with path.open("w", encoding="ascii", newline="\n") as plain:
            yield plain
        return
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", COMPRESSION, raw, mtime=0) as packed,
        io.TextIOWrapper(packed, "ascii", newline="\n") as text,
    ):
        yield text


def _places(tracks: Sequence[Track]) -> dict[Track, tuple[int, int]]:
    """Process and thread number of every track; a group is a process, no number comes twice."""
    groups = {name: pid for pid, name in enumerate(dict.fromkeys(t.group for t in tracks), 1)}
    numbered = enumerate(tracks, len(groups) + 1)
    return {track: (groups[track.group], tid) for tid, track in numbered}


def _names(places: Mapping[Track, tuple[int, int]]) -> Iterator[str]:
    """Names and order of the groups and tracks."""
    named: set[int] = set()
    for track, (pid, tid) in places.items():
        if pid not in named:
            named.add(pid)
            yield _meta("process_name", pid, tid, "name", track.group)
            yield _meta("process_sort_index", pid, tid, "sort_index", pid)
        if not track.counter:
            yield _meta("thread_name", pid, tid, "name", track.name)
            yield _meta("thread_sort_index", pid, tid, "sort_index", tid)


def _meta(what: str, pid: int, tid: int, key: str, value: str | int) -> str:
    event = {"ph": "M", "ts": 0, "pid": pid, "tid": tid, "name": what, "args": {key: value}}
    return json.dumps(event, separators=(",", ":"))


def _events(batch: Batch, pid: int, tid: int) -> Iterator[str]:
    """One line per event."""
    return _spans(batch, pid, tid) if isinstance(batch, Spans) else _counts(batch, pid, tid)


def _template(names: Sequence[str]) -> str:
    """Whole numbers under these names, as the text of a JSON object to be filled in.

    Examples
    --------
    >>> _template(["y", "x"]) % (2, 3)
    '{"y":2,"x":3}'
    """
    fields = (json.dumps(name).replace("%", "%%") + ":%d" for name in names)
    return "{" + ",".join(fields) + "}"


def _spans(batch: Spans, pid: int, tid: int) -> Iterator[str]:
    heads = [
        f'{{"ph":"X","pid":{pid},"tid":{tid},"name":{json.dumps(label.name)},'
        f'"cat":{json.dumps(label.kind)},"ts":'
        for label in batch.labels
    ]
    names = list(batch.numbers)
    line = '%s%d,"dur":%d' + (f',"args":{_template(names)}}}' if names else "}")
    columns = (
        [heads[at] for at in batch.label.tolist()],
        batch.start.tolist(),
        (batch.stop - batch.start).tolist(),
        *(batch.numbers[name].tolist() for name in names),
    )
    return map(line.__mod__, zip(*columns, strict=True))


def _counts(batch: Counts, pid: int, tid: int) -> Iterator[str]:
    head = f'{{"ph":"C","pid":{pid},"tid":{tid},"name":{json.dumps(batch.track.name)},"ts":'
    line = head.replace("%", "%%") + f'%d,"args":{_template(list(batch.values))}}}'
    columns = (batch.at.tolist(), *(column.tolist() for column in batch.values.values()))
    return map(line.__mod__, zip(*columns, strict=True))
