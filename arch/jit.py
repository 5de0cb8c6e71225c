"""The one decorator that compiles kernels: Numba, cached under a digest of all their sources."""

import ast
import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

import filelock
import numba
from numba.extending import register_jitable

from workloads.user_folder import user_folder

F = TypeVar("F", bound=Callable[..., Any])
WAIT = "OMP_WAIT_POLICY"
ROOT = Path(__file__).parent.parent


def _wait_asleep() -> None:
    """Let kernels' threads sleep where they wait for each other, unless the user said otherwise.

    By default they spin.  Where another process wants one of the cores, the thread that does the
    work then waits for a time slice at the end of every kernel: SparTen on MobileNetV2 took 173 s
    instead of 3 s beside one busy core.  GNU OpenMP reads the variable when it is loaded, which
    is here; other users of OpenMP in this process are left alone.
    """
    if WAIT in os.environ:
        return
    os.environ[WAIT] = "passive"
    try:
        with contextlib.suppress(ImportError):  # a build of Numba with another threading layer
            import_module("numba.np.ufunc.omppool")
    finally:
        del os.environ[WAIT]


_wait_asleep()


def sources(path: Path) -> Iterator[Path]:
    """A module's file and those of all our modules that it imports, each once."""
    found, left = {path}, [path]
    while left:
        source = left.pop()
        yield source
        tree = ast.parse(source.read_bytes())
        names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        for name in names:
            module = ROOT.joinpath(*(name or "").split(".")).with_suffix(".py")
            if module not in found and module.is_file():
                found.add(module)
                left.append(module)


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


def kernel(*, parallel: bool = False) -> Callable[[F], F]:
    """Compile a function of plain arrays; no fastmath, no Python objects.

    The cache folder is set just while decorating, so that other users of Numba in the same
    process keep theirs.
    """

    def decorate(function: F) -> F:
        settings: Any = numba.config  # a module that fills itself at run time
        before = settings.CACHE_DIR
        settings.CACHE_DIR = str(cache_folder() / _digest(Path(function.__code__.co_filename)))
        try:
            compiled: Any = numba.njit(cache=True, parallel=parallel, fastmath=False)(function)
            compiled._cache = _SharedCache(compiled._cache)
            return cast(F, compiled)
        finally:
            settings.CACHE_DIR = before

    return decorate


def helper(function: F) -> F:
    """Let kernels call a function; called from Python, it runs as plain Python.

    It is compiled inside the kernels that call it, for the types they call it with, and has no
    entry from Python and no cache of its own.  An entry unpacks every argument, which for a tuple
    of sizes is more code, and takes longer to compile, than most of these functions.
    """
    found: F = register_jitable(no_cfunc_wrapper=True)(function)
    return found
