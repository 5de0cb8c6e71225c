"""threads: how many threads a kernel's turns are shared out to, and the threads themselves.

Numba could share them out, too, but compiles the body of such a loop twice and in a way that takes
three times as long.  A kernel that lets go of Python's lock needs no more than a thread to run in.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import numba

Share = tuple[int, int]  # the number of a thread, and how many there are

_wanted: ContextVar[int | None] = ContextVar("wanted", default=None)


def most_threads() -> int:
    """How many threads kernels can use in this process: its cores, or ``NUMBA_NUM_THREADS``."""
    settings: Any = numba.config  # a module that fills itself at run time
    return int(settings.NUMBA_NUM_THREADS)


def thread_count() -> int:
    """How many threads kernels use here."""
    return _wanted.get() or most_threads()


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Let kernels use so many threads for a while.

    Examples
    --------
    >>> with using_threads(1):
    ...     thread_count()
    1
    """
    before = _wanted.set(count)
    try:
        yield
    finally:
        _wanted.reset(before)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(most_threads(), "kernel")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of its parent's threads


def share_out(run: Callable[..., None], *arguments: Any, **named: Any) -> None:
    """Call ``run(share, *arguments)`` once for every thread, each with a share of its own."""
    count = thread_count()
    others: list[Future[None]] = [
        _pool().submit(run, (number, count), *arguments, **named) for number in range(1, count)
    ]
    try:
        run((0, count), *arguments, **named)
    finally:
        for each in others:
            each.result()
