"""trace: one layer of a source on one machine, cycle by cycle, as a file for a trace viewer."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arch.errors import SpecError
from arch.trace import LayerTrace
from escalate.app.arguments import Paths, listed, settings_of
from escalate.app.fed_layers import fed_layers
from escalate.app.feed import Feed, check_feed, parse_synthetic
from escalate.app.fleet import Fleet, Watch
from escalate.app.machines import Choice, choose
from escalate.app.new_file import check_writable, new_file
from escalate.app.sources import Source, resolve
from escalate.app.threads import threads
from escalate.capture.reading import reading_of
from escalate.errors import FrontEndError
from escalate.version import VERSION
from reports.trace import count_events, write_trace

MOST_EVENTS = 3_000_000  # about 300 MB of JSON, 20 MB compressed: a browser still opens it
SPARE = 0.8  # the share of MOST_EVENTS that a proposed window should hold
SUFFIXES = (".json", ".gz")


class TraceError(FrontEndError):
    """A layer, window or file that cannot be traced: names it and what is allowed."""


def trace_layer(
    source: Source,
    layer: str,
    choice: Choice,
    feed: Feed | None = None,
    watch: Watch | None = None,
) -> LayerTrace:
    """Simulate a source up to one layer, and trace that.

    Raises
    ------
    TraceError
        If there is no such layer; lists those there are.
    SpecError
        If the machine cannot be traced.
    """
    if not hasattr(choice.machine, "trace"):
        raise SpecError(f"{choice.machine.name} cannot be traced: its machine has no trace")
    wanted = feed or Feed()
    check_feed(source, wanted)
    fed = fed_layers(source, (choice,), wanted)
    if layer not in fed.names:
        raise TraceError(f"--layer: {source.name} has no {layer!r}, it has {', '.join(fed.names)}")
    fleet = Fleet((choice,), fed.handovers, len(fed.names), watch)
    for asked in fed.layers:
        if asked.layer.layer.name == layer:
            return fleet.trace(asked.layer)
        outcome = fleet.run(asked.layer)
        asked.done(outcome.psums, outcome.output)
    raise TraceError(f"--layer: {source.name} ran without reaching {layer!r}")


@dataclass(frozen=True, slots=True)
class Window:
    """Cycles ``first`` to ``last`` of a layer; ``last`` None for its end."""

    first: int = 0
    last: int | None = None

    def of(self, trace: LayerTrace) -> tuple[int, int]:
        """The window in a layer.

        Raises
        ------
        TraceError
            If it holds none of the layer's cycles.
        """
        cycles = trace.result.counters.cycles
        last = cycles if self.last is None else min(self.last, cycles)
        name = trace.result.layer.name
        if not 0 <= self.first < cycles:
            raise TraceError(f"--from-cycle {self.first}: {name} has cycles 0..{cycles}")
        if last <= self.first:
            raise TraceError(f"--to-cycle {last}: wanted more than --from-cycle {self.first}")
        return self.first, last


@dataclass(frozen=True, slots=True)
class Traced:
    """A trace as written: where, how many events, of which cycles, and whose tensors."""

    path: Path
    layer: str
    origin: str
    events: int
    first: int
    last: int
    cycles: int


def _about(trace: LayerTrace, source: Source, choice: Choice, window: tuple[int, int]) -> Any:
    result = trace.result
    traffic: Mapping[tuple[str, str, str], int] = result.counters.traffic
    return {
        "version": VERSION,
        "network": source.name,
        "layer": result.layer.name,
        "machine": result.machine,
        "preset": choice.label,
        "mode": result.mode,
        "images": result.images,
        "clock_hz": result.spec.clock_hz,
        "cycles": result.counters.cycles,
        "from_cycle": window[0],
        "to_cycle": window[1],
        "causes": dict(result.counters.causes),
        "dram_bytes": {
            f"{tensor} {way}": size
            for (level, tensor, way), size in traffic.items()
            if level == "dram"
        },
        "spec": result.spec.model_dump(mode="json"),
        "provenance": dict(result.provenance),
    }


def check_path(path: Path) -> None:
    """Refuse a file that is no trace's before any work is done.

    Raises
    ------
    TraceError
        For names that do not end in ``.json`` or ``.gz``, and folders.
    OSError
        If the file could not be written.
    """
    if path.suffix not in SUFFIXES:
        raise TraceError(f"--out {path}: wanted a name that ends in .json or .json.gz")
    if path.is_dir():
        raise TraceError(f"--out {path}: is a folder, wanted a file")
    check_writable(path)


def write_layer(
    trace: LayerTrace, path: Path, source: Source, choice: Choice, window: Window
) -> Traced:
    """Write the trace of one layer.

    Raises
    ------
    TraceError
        If the window has too many events; proposes one that has not.
    """
    first, last = window.of(trace)
    name = trace.result.layer.name
    events = count_events(trace, first, last, MOST_EVENTS)
    if events > MOST_EVENTS:
        fitting = max(1, int((last - first) * SPARE * MOST_EVENTS / events))
        raise TraceError(
            f"{name}: cycles {first}..{last} are about {events:,} events, allowed are "
            f"{MOST_EVENTS:,}; try --from-cycle {first} --to-cycle {first + fitting}"
        )
    with new_file(path) as aside:
        written = write_trace(
            aside, trace, first, last, _about(trace, source, choice, (first, last))
        )
    origin, cycles = trace.result.provenance["origin"], trace.result.counters.cycles
    return Traced(path, name, origin, written, first, last, cycles)


@dataclass(frozen=True, slots=True)
class Request:
    """What to trace and where to write it, as the command line gives it."""

    source: Source
    layer: str
    choices: tuple[Choice, ...]
    path: Path
    feed: Feed = field(default_factory=Feed)
    window: Window = field(default_factory=Window)
    threads: int | None = None

    def __post_init__(self) -> None:
        if len(self.choices) != 1:
            presets = ", ".join(choice.preset for choice in self.choices)
            raise TraceError(f"--preset: {presets}: wanted one")
        check_path(self.path)

    def run(self, watch: Watch | None = None) -> Traced:
        """Simulate up to the layer, trace it and write the file."""
        (choice,) = self.choices
        with threads(self.threads):
            trace = trace_layer(self.source, self.layer, choice, self.feed, watch)
            return write_layer(trace, self.path, self.source, choice, self.window)


def trace(
    source: Paths,
    *,
    layer: str,
    out: str | os.PathLike[str],
    machine: str = "basis_first",
    fields: Mapping[str, Any] | None = None,
    images: str | None = None,
    count: int = 1,
    synthetic: str | None = None,
    basis: int | None = None,
    seed: int | None = None,
    from_cycle: int = 0,
    to_cycle: int | None = None,
    input: str | Sequence[int] | None = None,
    output: str | None = None,
) -> Traced:
    """Trace one layer of a network on one machine; open the file with ui.perfetto.dev.

    Parameters
    ----------
    source : as for :func:`escalate.app.simulate.simulate`
    layer : name of the layer
    out : the file, ``.json``, or ``.json.gz`` for a compressed one
    machine : name, ``name:preset``, or path of a ``.toml`` file
    fields, images, count, synthetic, basis, seed, input, output : as for ``simulate``
    from_cycle, to_cycle : only these cycles of the layer

    Raises
    ------
    ValueError
        A subclass of ours, in one line, for anything that cannot be.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     out = Path(folder) / "stem.json"
    ...     done = trace("digits_cnn", layer="stem.0", machine="systolic", out=out)
    >>> done.first, done.last == done.cycles, done.events
    (0, True, 9)
    """
    request = Request(
        resolve(listed(source), reading_of(input, output), images),
        layer,
        choose(machine, (), settings_of(fields)),
        Path(out),
        Feed(images, count, parse_synthetic(synthetic, basis=basis, seed=seed, count=count)),
        Window(from_cycle, to_cycle),
    )
    return request.run()
