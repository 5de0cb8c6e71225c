"""threads: how many threads kernels use; results never depend on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from arch.errors import SpecError
from arch.threads import most_threads, thread_count, using_threads


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let kernels use so many threads for a while; results never depend on it.

    Raises
    ------
    SpecError
        If there are not so many.
    """
    wanted, most = thread_count() if count is None else count, most_threads()
    if not 1 <= wanted <= most:
        raise SpecError(f"--threads: {wanted}, wanted 1..{most}")
    with using_threads(wanted):
        yield
