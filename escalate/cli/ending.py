"""ending: how every command ends: what went wrong becomes lines on stderr and an exit code.

Bad input and what the machine at hand cannot do (a full disk, too little memory, numbers too large)
are the user's to mend: a line each, exit code 2.  All else is a defect of ours, which keeps its
traceback and ends with 1.
"""

import errno
import os
import re
import signal
import sys
from types import FrameType

import typer

OURS = ("arch", "escalate", "reports", "workloads")
BAD_INPUT = 2
INTERRUPTED = 130
STOPPED = 128  # plus the number of the signal, as shells say it
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
HOST = (*NO_ROOM, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN)
ALLOCATION = re.compile(
    r"alloc_cpu|can't allocate memory|not enough memory|out of memory|array is too big"
    r"|maximum allowed dimension|Storage size calculation overflowed|invalid allocation",
    re.IGNORECASE,
)
OUT_OF_MEMORY = "out of memory; fewer images at once (--count, --limit) or smaller layers take less"
LONGEST = 120  # characters of a quoted value that is told whole
LONGEST_WORD = 400  # of one without quotes: a path is told whole
LONGEST_LINE = 2000
ENDS = 40  # characters of a longer one that are left at its beginning and end
QUOTED = re.compile(
    rf"(?<!\w)'[^']{{{LONGEST},}}'|(?<!\w)\"[^\"]{{{LONGEST},}}\"|\[[^\[\]]{{{LONGEST},}}\]"
)
WORD = re.compile(rf"[^\s'\"]{{{LONGEST_WORD},}}")


def listen() -> None:
    """A request to stop unwinds the command, so that what it wrote aside is removed.

    An interrupt is one, too: as Python's own KeyboardInterrupt, one that comes while torch is being
    imported would end the process by the signal, whatever exit code is asked for.
    """
    for each in SIGNALS:  # nohup's wish is left alone
        if signal.getsignal(each) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(each, _stop)
    sys.unraisablehook = _unraised


_asked: list[int] = []


def asked() -> int:
    """The exit code of a request to stop that a library swallowed, 0 where there was none."""
    return _asked[0] if _asked else 0


def _unraised(found: "sys.UnraisableHookArgs") -> None:
    """What could not be raised: a request to stop, where C code called back, ends the command."""
    if isinstance(found.exc_value, KeyboardInterrupt):
        _asked.append(INTERRUPTED)
    elif isinstance(found.exc_value, SystemExit) and isinstance(found.exc_value.code, int):
        _asked.append(found.exc_value.code)
    else:
        sys.__unraisablehook__(found)


def _stop(number: int, _frame: FrameType | None) -> None:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # a second one would cut the removal short
    sys.exit(STOPPED + number)


def told(error: Exception) -> list[str] | None:
    """What to tell the user, in lines; None for a defect of ours.

    Examples
    --------
    >>> told(OSError(28, "No space left on device", "out"))
    ['out: No space left on device']
    >>> told(KeyError("left")) is None
    True
    """
    texts = _texts(error)
    if texts is None:
        return None
    lines = [shortened(" ".join(text.split())) for text in texts]
    return [line for line in lines if line]  # none where a command just printed its help


def _texts(error: Exception) -> list[str] | None:
    if isinstance(error, typer.TyperException):
        return [error.format_message()]
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, MemoryError) or _is_allocation(error):
        return [f"{OUT_OF_MEMORY}{_reason(error)}"]
    if isinstance(error, OverflowError):
        return [f"a number is too large to compute with: {error}; smaller values are wanted"]
    if isinstance(error, RecursionError):
        return ["the input is nested too deeply to be read; fewer levels are wanted"]
    if isinstance(error, ValueError) and type(error).__module__.partition(".")[0] in OURS:
        return getattr(error, "lines", [str(error)])
    return None


def _of_the_system(error: OSError) -> list[str] | None:
    """What the system refused; a file that is named is the user's, whatever is wrong with it."""
    reason = os.strerror(error.errno) if error.errno in HOST else error.strerror or str(error)
    if isinstance(error.filename, str | bytes):
        return [f"{os.fsdecode(error.filename)}: {reason}"]
    if error.errno not in HOST:
        return None
    try:
        sys.stdout.flush()
    except OSError:  # what is left in it would be told again at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return [f"standard output or a file: {reason}"]


def _is_allocation(error: Exception) -> bool:
    """Whether torch or NumPy could not have memory, which they say in words only."""
    return isinstance(error, RuntimeError | ValueError) and bool(ALLOCATION.search(str(error)))


def _reason(error: Exception) -> str:
    """What was wanted, as the library says it."""
    lines = str(error).splitlines()
    return f" ({lines[0].strip()})" if lines and lines[0].strip() else ""


def shortened(text: str) -> str:
    """The text with long values cut in their middle.

    Examples
    --------
    >>> len(shortened("--set: '" + 3000 * "a" + "': wanted field=value"))
    133
    """
    text = QUOTED.sub(_cut, text)
    text = WORD.sub(lambda found: _ends(found[0]), text)
    return text if len(text) <= LONGEST_LINE else _ends(text, LONGEST_LINE // 2)


def _cut(found: re.Match[str]) -> str:
    value = found[0]
    inside = f"{value[1 : 1 + ENDS]} ... {value[-1 - ENDS : -1]}"
    return f"{value[0]}{inside}{value[-1]} ({len(value) - 2:,} characters)"


def _ends(text: str, kept: int = ENDS) -> str:
    return f"{text[:kept]} ... {text[-kept:]} ({len(text):,} characters)"
