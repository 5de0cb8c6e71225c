"""terminal: data to stdout, messages and progress to stderr, quiet where nobody watches."""

import csv
import json
import math
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from escalate.cli.ending import shortened
from escalate.cli.fitting import fitted, terminal_width
from escalate.cli.options import Format

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from escalate.train.retrain import EpochReport

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)
BEAT = 10.0  # seconds between two lines about work that takes long
LONG = 5.0  # seconds of an epoch from which on a log should tell of it


def be_quiet(wanted: bool) -> None:
    """Whether stderr is for errors alone, as ``--quiet`` asks."""
    _quiet.set(wanted)


def watched() -> bool:
    """Whether someone looks at stderr, and wants to."""
    return sys.stderr.isatty() and not _quiet.get()


def tell(message: str) -> None:
    """A remark about the results on stderr, a pipe's included; none with ``--quiet``."""
    if not _quiet.get():
        print(f"note: {shortened(message)}", file=sys.stderr)


def say(message: str) -> None:
    """One line for the person at the terminal; nothing in a pipe."""
    if watched():
        print(message, file=sys.stderr)


def say_running(network: str) -> None:
    """Tell which file of the user's is run, where NETWORK is a factory in one."""
    file, colon, _ = network.rpartition(":")
    if colon and file.endswith(".py"):
        say(f"running {file}")


@contextmanager
def remarks() -> Iterator[None]:
    """Tell the warnings of what is called, each once."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    for line in dict.fromkeys(str(each.message) for each in found):
        tell(line)


@contextmanager
def progress() -> "Iterator[Progress]":
    """Progress bars with the time left, on stderr, shown on a terminal only."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not watched()) as bars:
        yield bars


@contextmanager
def long_progress() -> "Iterator[Progress]":
    """As ``progress``, for what takes minutes: where nobody watches, a line every ten seconds."""
    with progress() as bars:
        if watched() or _quiet.get():
            yield bars
            return
        ended, started = threading.Event(), time.monotonic()

        def tell() -> None:
            while not ended.wait(BEAT):
                print(_state(bars, time.monotonic() - started), file=sys.stderr, flush=True)

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield bars
        finally:
            ended.set()
            teller.join()


def _state(bars: "Progress", seconds: float) -> str:
    """What is being done, how much of it is, and since when."""
    task = bars.tasks[-1]
    done = f" {task.completed:g} of {task.total:g}" if task.total else ""
    return f"{task.description}{done}, {seconds:.0f} s"


@contextmanager
def layer_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A callback that shows how many layers of a run are done."""
    from arch.jit import cache_folder
    from workloads.user_folder import wanted_folder

    if not cache_folder().is_relative_to(wanted_folder()):
        tell(f"{wanted_folder()}: cannot be written, compiled kernels are in {cache_folder()}")
    if not any(cache_folder().rglob("*.nbi")):
        say("first run here: kernels are compiled once, which takes about 20 s")
    with bar() as watch:
        yield watch


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """A callback that shows what is being done, how much of it is, and how much there is."""
    with progress() as bars:
        task = bars.add_task("layers", total=None)

        def watch(name: str, done: int, total: int) -> None:
            bars.update(task, description=name, completed=done, total=total)

        yield watch


@contextmanager
def point_progress(total: int) -> Iterator[Callable[[int, int], None]]:
    """A callback that shows how many points of a sweep are done."""
    with progress() as bars:
        task = bars.add_task("points", total=total)

        def watch(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield watch


@contextmanager
def model_progress(total: int | None) -> "Iterator[Callable[[str, EpochReport | None], None]]":
    """A callback that shows which of several models is compressed, and its epochs.

    Where nobody watches, an epoch that takes long is a line of the log.
    """
    with long_progress() as bars:
        task = bars.add_task("models", total=total)
        begun: list[str] = []

        def watch(name: str, report: "EpochReport | None") -> None:
            if name not in begun:
                begun.append(name)
            text = name
            if report is not None:
                text += f", epoch {report.epoch} of {report.epochs}: {_epoch_text(report)}"
                _log(text, report)
            bars.update(task, description=text, completed=len(begun) - 1)

        yield watch


def _console(width: int) -> "Console":
    from rich.console import Console

    return Console(width=width, highlight=False, markup=False, emoji=False)


def print_table(
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    headings: Mapping[str, str] | None = None,
) -> None:
    """The columns ``names`` of ``rows``, as many as the terminal has room for; see ``fitting``.

    Cells and headings follow ``reports.quantity``; ``headings`` replaces some of the latter.
    """
    from rich import box
    from rich.table import Table

    from reports.quantity import heading, quantity

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    cells = [[quantity(name, row.get(name)) for name in names] for row in rows]
    titles = [(headings or {}).get(name, heading(name)) for name in names]
    numeric = [all(row[i].numeric for row in cells) for i in range(len(names))]
    texts = [[title, *(row[i].text for row in cells)] for i, title in enumerate(titles)]
    least, width = fitted(texts, numeric)
    count = len(least)
    for title, whole, size in zip(titles, numeric, least, strict=False):
        table.add_column(
            title, justify="right" if whole else "left", overflow="fold", min_width=size
        )
    for row in cells:
        table.add_row(*(cell.text for cell in row[:count]))
    _console(width).print(table)
    if count < len(titles):
        print(f"with --wide also: {', '.join(titles[count:])}")


def print_data(shape: Format, thing: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Print one JSON object, or rows as CSV; False where a table is wanted, which is not printed.

    Numbers that are not finite are null in JSON, and empty in CSV.
    """
    if shape is Format.table:
        return False
    if shape is Format.json:
        print(json.dumps(_jsonable(thing), indent=2, allow_nan=False, default=str))
        return True
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_jsonable(rows))
    return True


def _jsonable(value: Any) -> Any:
    """The same with None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {key: _jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_notes(notes: Sequence[str]) -> None:
    """What there is to say about the rows above."""
    console = _console(terminal_width())
    for note in notes:
        console.print(f"note: {shortened(note)}", soft_wrap=True)


def print_estimate(told: Mapping[str, Any], shape: Format) -> None:
    """What a command would take: a line, or one row, or one object."""
    if not print_data(shape, told, [told]) and told.get("layers_timed"):
        from reports.quantity import quantity

        memory = quantity("peak_bytes", told["peak_bytes_about"]).text
        print(
            f"about {told['seconds_about']:.1f} s and {memory} of memory, going by "
            f"{told['layers_timed']} layers that were simulated to find out"
        )


def _epoch_text(report: "EpochReport") -> str:
    """What an epoch achieved, in a few words."""
    text = f"density {report.density:.3f}"
    if report.accuracy is not None:
        text = f"accuracy {report.accuracy:.1%}, {text}"
    if report.held_out is not None:
        text += f", held out {report.held_out:.1%}"
    if report.stored_bytes is not None:
        text += f", {report.stored_bytes / 1000:.1f} kB"
    return text


def _log(line: str, report: "EpochReport") -> None:
    """A line about an epoch that took long, where nobody watches."""
    if report.seconds > LONG and not watched() and not _quiet.get():
        print(f"{line}, {report.seconds:.0f} s", file=sys.stderr, flush=True)


@contextmanager
def epoch_progress(
    epochs: int,
) -> "Iterator[tuple[Callable[[EpochReport], None], Callable[[str, int, int], None]]]":
    """Callbacks that show the epochs of a retraining, with accuracy, density and size, and the
    layers of what comes before it.

    Where nobody watches, an epoch that takes long is a line of the log.
    """
    with long_progress() as bars:
        task = bars.add_task("compressing", total=epochs)

        def watch(report: "EpochReport") -> None:
            text = f"retraining: {_epoch_text(report)}"
            bars.update(task, completed=report.epoch, description=text)
            _log(f"epoch {report.epoch} of {epochs}: {_epoch_text(report)}", report)

        def step(name: str, done: int, total: int) -> None:
            description = f"curve of layer {done + 1} of {total}, {name}; epochs"
            bars.update(task, description=description)

        yield watch, step
