"""read_file: read a user's small files whole; reject pipes, devices, folders and large files."""

import errno
import stat
from pathlib import Path

MOST_TEXT = 1 << 24  # bytes of a file that people write: machines, prices, sweeps, topologies
MOST_BINARY = 1 << 33  # of one that programs write


def check_regular(path: Path, most: int = MOST_BINARY) -> None:
    """Raise an error for folders, pipes and devices, which may never end, and for large files.

    Raises
    ------
    OSError
        Naming the file, and what is wrong with it in ``strerror``.

    Examples
    --------
    >>> check_regular(Path("/dev/null"))
    Traceback (most recent call last):
    OSError: [Errno 22] is no regular file: '/dev/null'
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    if about.st_size > most:
        message = f"has {about.st_size} bytes, wanted at most {most}"
        raise OSError(errno.EFBIG, message, str(path))


def why_unread(path: Path) -> str | None:
    """Why a file cannot be read, in words; None if it can.

    Examples
    --------
    >>> why_unread(Path("/dev/zero")), why_unread(Path("nowhere.npz"))
    ('is no regular file', 'no such file')
    """
    try:
        check_regular(path)
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return "is a folder, wanted a file" if path.is_dir() else error.strerror
    return None


def refuse_unread(path: Path, refusal: type[ValueError]) -> None:
    """Raise an error for a file that cannot be read.

    Raises
    ------
    refusal
        Naming the file, and why.

    Examples
    --------
    >>> refuse_unread(Path("/dev/zero"), ValueError)
    Traceback (most recent call last):
    ValueError: /dev/zero: is no regular file
    """
    unread = why_unread(path)
    if unread is not None:
        raise refusal(f"{path}: {unread}")


def read_bytes(path: Path, most: int = MOST_BINARY) -> bytes:
    """All bytes of a file; errors as for ``check_regular``."""
    check_regular(path, most)
    return path.read_bytes()


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """All of a text file; errors as for ``check_regular``, and ``UnicodeDecodeError``."""
    return read_bytes(path, MOST_TEXT).decode(encoding)
