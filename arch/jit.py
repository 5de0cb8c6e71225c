"""The one decorator that compiles kernels: Numba, cached under a digest of all their sources."""

import ast
import hashlib
from collections.abc import Callable, Iterator
from functools import cache, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import filelock
import numba
from numba.extending import register_jitable

from arch.threads import Share, share_out
from workloads.user_folder import user_folder

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])
ROOT = Path(__file__).parent.parent
NO_TURN: Share = (0, 1 << 62)


def sources(path: Path) -> Iterator[Path]:
    """A module's file and those of all our modules that it imports, each once."""
    found, left = {path}, [path]
    while left:
        source = left.pop()
        yield source
        for module in _imported(source):
            if module not in found:
                found.add(module)
                left.append(module)


@cache
def _imported(source: Path) -> tuple[Path, ...]:
    """The files of the modules of ours that a file imports from."""
    tree = ast.parse(source.read_bytes())
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    files = [ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in sorted(names)]
    return tuple(file for file in files if file.is_file())


@cache
def _digest(path: Path) -> str:
    """Digest of all that a module's kernels are made of: an edited helper makes them stale."""
    sha = hashlib.sha256(f"{numba.__version__}".encode())
    for source in sorted(sources(path)):
        sha.update(source.name.encode() + source.read_bytes())
    return sha.hexdigest()[:16]


@cache
def cache_folder() -> Path:
    """The folder of compiled kernels, one for each state of a module's sources."""
    folder = user_folder() / "kernels"
    folder.mkdir(exist_ok=True)
    return folder


class _SharedCache:
    """A kernel's cache on disk that several processes may fill at once.

    Numba reads the index of what is there, adds to it and writes it back; two processes at once
    would call different code by the same name.  So one lock per cache folder goes around both
    reading and writing.
    """

    def __init__(self, own: Any) -> None:
        self._own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def load_overload(self, *arguments: Any) -> Any:
        """Compiled code for a signature, or None."""
        with _lock():
            return self._own.load_overload(*arguments)

    def save_overload(self, *arguments: Any) -> None:
        """Keep compiled code for a signature."""
        with _lock():
            self._own.save_overload(*arguments)


@cache
def _lock() -> filelock.FileLock:
    return filelock.FileLock(cache_folder() / "lock")


def kernel(function: F) -> F:
    """Compile a function of plain arrays; no fastmath, no Python objects.

    The cache folder is set just while decorating, so that other users of Numba in the same
    process keep theirs.  With NUMBA_DISABLE_JIT=1, as for coverage, the function stays as it is.
    """
    settings: Any = numba.config  # a module that fills itself at run time
    if settings.DISABLE_JIT:
        return function
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(cache_folder() / _digest(Path(function.__code__.co_filename)))
    try:
        compiled: Any = numba.njit(cache=True, nogil=True, fastmath=False)(function)
        compiled._cache = _SharedCache(compiled._cache)
        return cast(F, compiled)
    finally:
        settings.CACHE_DIR = before


def parallel_kernel(function: Callable[Concatenate[Share, P], None]) -> Callable[P, None]:
    """Compile a function whose first argument is a share of its turns; callers leave it out.

    It runs once in every thread, over the turns that ``turns(share, count)`` gives there, each of
    which writes what no other does.
    """
    compiled = kernel(function)

    @wraps(function)
    def shared(*arguments: P.args, **named: P.kwargs) -> None:
        if not getattr(compiled, "overloads", True):
            compiled(NO_TURN, *arguments, **named)  # so that not every thread loads it
        share_out(compiled, *arguments, **named)

    return shared


def helper(function: F) -> F:
    """Let kernels call a function; called from Python, it runs as plain Python.

    It is compiled inside the kernels that call it, for the types they call it with, and has no
    entry from Python and no cache of its own.  An entry unpacks every argument, which for a tuple
    of sizes is more code, and takes longer to compile, than most of these functions.
    """
    found: F = register_jitable(no_cfunc_wrapper=True)(function)
    return found


@helper
def turns(share: Share, count: int) -> range:
    """A thread's part of 0..count, of about the same length for each.

    Examples
    --------
    >>> [list(turns((number, 3), 7)) for number in range(3)]
    [[0, 1], [2, 3], [4, 5, 6]]
    """
    number, threads = share
    return range(count * number // threads, count * (number + 1) // threads)
