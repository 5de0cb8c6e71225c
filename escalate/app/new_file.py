"""new_file: what is written aside and put in place whole, and whether it could be, asked before."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_writable(target: Path) -> None:
    """Refuse a file or folder that could not be put in place, before any work is done.

    Raises
    ------
    OSError
        Naming ``target``: what is above it is no folder or cannot be written, or a disk is mounted
        there, which cannot be replaced whole.

    Examples
    --------
    >>> check_writable(Path("/dev/null/results"))
    Traceback (most recent call last):
    NotADirectoryError: [Errno 20] Not a directory: '/dev/null/results'
    """
    try:
        above = target.resolve().parent
        while not above.exists():
            above = above.parent
        tempfile.TemporaryFile(dir=above).close()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from None
    if os.path.ismount(target):
        raise OSError(errno.EBUSY, "is a mount point, wanted a name inside it", str(target))


@contextmanager
def named(target: Path) -> Iterator[None]:
    """Errors of the disk name ``target``, not what is written aside."""
    try:
        yield
    except OSError as error:
        name(error, target)
        raise


def name(error: OSError, target: Path) -> None:
    """Let an error of the disk name ``target``, unless it is about another file."""
    if error.filename is None or _is_aside(Path(os.fsdecode(error.filename)), target):
        error.filename = str(target)
        error.filename2 = None


def _is_aside(path: Path, target: Path) -> bool:
    """Whether a path leads to what is written aside for ``target``."""
    above = target.resolve().parent
    if not path.is_relative_to(above):
        return False
    return path == above or path.relative_to(above).parts[0].startswith(f".{target.name}-")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes ``path`` at the end; a killed run leaves the old file.

    Raises
    ------
    OSError
        Naming ``path``, which then is as it was.
    """
    with named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=path.parent, prefix=f".{path.name}-", ignore_cleanup_errors=True
        ) as folder:
            aside = Path(folder) / path.name
            yield aside
            os.replace(aside, path)
