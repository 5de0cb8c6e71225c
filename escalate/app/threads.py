"""threads: how many threads kernels use; results never depend on it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba

from arch.errors import SpecError


def most_threads() -> int:
    """How many threads kernels can use in this process."""
    settings: Any = numba.config  # a module that fills itself at run time
    return int(settings.NUMBA_NUM_THREADS)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let kernels use so many threads for a while; results never depend on it.

    Raises
    ------
    SpecError
        If there are not so many.
    """
    before, most = numba.get_num_threads(), most_threads()
    wanted = before if count is None else count
    if not 1 <= wanted <= most:
        raise SpecError(f"--threads: {wanted}, wanted 1..{most}")
    numba.set_num_threads(wanted)
    try:
        yield
    finally:
        numba.set_num_threads(before)


@contextmanager
def torch_threads_kept() -> Iterator[None]:
    """Leave torch the threads it has; it may share OpenMP with the kernels, which set their own."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 0
    try:
        yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)
