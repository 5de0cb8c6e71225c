"""user_folder: the folder for things that can be computed again, kept between runs."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

import platformdirs

CHOICE = "ESCALATE_CACHE"


def wanted_folder() -> Path:
    """The folder named by ``ESCALATE_CACHE``, or ours in the user's cache."""
    return Path(os.environ.get(CHOICE) or platformdirs.user_cache_dir("escalate-sim"))


def user_folder() -> Path:
    """The wanted folder; or a temporary one if that cannot be written (a read-only home).

    That one is found again by later runs.  It is the user's alone: another who could write there
    might slip us code.

    Raises
    ------
    OSError
        If there is no place for temporary files.
    """
    temporary = Path(tempfile.gettempdir()) / f"escalate-{os.getuid()}"
    with contextlib.suppress(OSError):
        return writable(wanted_folder())
    with contextlib.suppress(OSError):
        temporary.mkdir(mode=0o700, exist_ok=True)
        about = temporary.lstat()
        if stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and not about.st_mode & 0o77:
            return writable(temporary)
    return Path(tempfile.mkdtemp(prefix="escalate-"))


def writable(folder: Path) -> Path:
    """The folder; it is created if it does not exist.

    Raises
    ------
    OSError
        If nothing can be written into it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()
    return folder
