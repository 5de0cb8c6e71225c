"""Small layers finish sooner on one thread; what more threads change is tested by itself."""

import pytest

from arch.threads import using_threads


@pytest.fixture(autouse=True)
def _one_thread():
    with using_threads(1):
        yield
