"""run: cases in a child process that is limited in time and memory, and what became of each.

The child is a copy of this process, which has imported everything and computed nothing: threads do
not survive the copy.  It reports each case by a line; a case that never ends, or takes the child
with it, is known by the line that does not come.
"""

import contextlib
import io
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch

from arch.threads import using_threads
from escalate.cli.main import main
from tests.fuzz import cases, stock

CPU_S = 20  # of the processor, for one case; where it is not interrupted, twice that
WALL_S = 60  # between two lines of a child that does not compute
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
MEMORY = 6 << 30  # bytes of address space beyond what the imports take
FILE = 1 << 28  # bytes of a file that is written
ACCEPTED, REFUSED, TRACEBACK, HANG, DIED, SILENT = (
    "accepted", "refused", "traceback", "hang", "died", "silent",
)  # fmt: skip
FAILED = (TRACEBACK, HANG, DIED, SILENT)


class Late(BaseException):
    """A case that takes more than its time."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case: a verdict, and what there is to see."""

    case: int
    verdict: str
    told: str

    def __str__(self):
        kind = cases.kind_of(self.case).__name__
        again = f"python -m tests.fuzz --case {self.case}"
        return f"{self.verdict}: case {self.case} ({kind}), again with: {again}\n{self.told}"


def once(case, stocked, verbose=False, spoiled=True):
    """Run one case here."""
    folder = Path(tempfile.mkdtemp(prefix="escalate-fuzz-"))
    out, err = io.StringIO(), io.StringIO()
    try:
        sys.argv = ["escalate", *cases.arguments(case, stocked, folder, spoiled)]
        into = contextlib.chdir(folder)  # where outputs go that no option names
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), into:
            verdict = _verdict(err)
        words = f"{' '.join(sys.argv)}\n{err.getvalue()}"
        if verbose:
            words += out.getvalue()
        return Outcome(case, verdict, words)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _verdict(err):
    """What the command came to; a traceback goes where the others' words go."""
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    try:
        main()
    except SystemExit as end:
        if end.code in (0, None):
            return ACCEPTED
        told = [line for line in err.getvalue().splitlines() if line.startswith("error: ")]
        return REFUSED if end.code == 2 and told else SILENT
    except Late:
        err.write(traceback.format_exc(limit=-3))
        return HANG
    except BaseException:
        err.write(traceback.format_exc(limit=-6))
        return TRACEBACK
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return SILENT


def _late(*_):
    raise Late


def _child(numbers, stocked, spoiled, pipe):
    """All cases in turn, a line for each."""
    signal.signal(signal.SIGPROF, _late)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    space = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    torch.set_num_threads(1)
    with using_threads(1), os.fdopen(pipe, "w") as lines:
        for case in numbers:
            found = once(case, stocked, spoiled=spoiled)
            lines.write(json.dumps([found.case, found.verdict, found.told]) + "\n")
            lines.flush()


def _forked(work, *rest):
    """The process that does some work, and the end of a pipe that it writes to."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    os.close(reader)
    try:
        work(*rest, writer)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def prepared(folder):
    """The stock of good inputs, made by another process."""

    def work(pipe):
        stock.make(folder)
        os.write(pipe, b"done")

    child, reader = _forked(work)
    with os.fdopen(reader) as words:
        told = words.read()
    os.waitpid(child, 0)
    if told != "done":
        raise RuntimeError(f"{folder}: the good inputs could not be made")


def outcomes(numbers, stocked, spoiled=True):
    """What becomes of the cases, one after the other."""
    left = list(numbers)
    while left:
        child, reader = _forked(_child, left, stocked, spoiled)
        with os.fdopen(reader) as lines:
            while left:
                line = lines.readline() if _speaks(child, lines) else None
                if not line:
                    if line is None:
                        os.kill(child, signal.SIGKILL)
                    yield Outcome(left.pop(0), HANG if line is None else DIED, "")
                    break
                yield Outcome(*json.loads(line))
                left.pop(0)
        os.waitpid(child, 0)


def _speaks(child, lines):
    """Whether a child says something before it is late: by what it computed, on a busy machine."""
    begun = seen = _seconds(child)
    while True:
        ready, _, _ = select.select([lines], [], [], WALL_S)
        now = _seconds(child)
        if ready or now - seen < WALL_S / 100 or now - begun > 2 * CPU_S:
            return bool(ready)
        seen = now


def _seconds(child):
    """What a process has computed so far."""
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def counted(found):
    """How many cases of each kind came to what."""
    table = Counter((cases.kind_of(each.case).__name__, each.verdict) for each in found)
    kinds = [kind.__name__ for kind in cases.KINDS]
    verdicts = (ACCEPTED, REFUSED, *FAILED)
    return {kind: {each: table[kind, each] for each in verdicts} for kind in kinds}
